# The requests of `onnet check`, sent by the AWS CLI.
set -e
imds=http://169.254.169.254/latest
token=$(curl -sf -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
metadata() { curl -sf -H "x-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
export AWS_REGION=$(metadata placement/region) AWS_DEFAULT_REGION=$(metadata placement/region)
interface=network/interfaces/macs/$(metadata mac)
vpc=$(metadata "$interface/vpc-id")
metadata "$interface/subnet-id"
aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc"
aws ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc"
aws ec2 describe-prefix-lists
aws dynamodb list-tables
