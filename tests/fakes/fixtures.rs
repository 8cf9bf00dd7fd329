//! Lists as EC2 writes them, within an answer.

pub const TABLES: &str = "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId>
  <ownerId>111122223333</ownerId>
  <associationSet>
    <item><main>true</main><routeTableId>rtb-1</routeTableId>
      <associationState><state>associated</state></associationState></item>
    <item><main>false</main><subnetId>subnet-1</subnetId><associationState><state>disassociating</state></associationState></item>
    <item><main>false</main><gatewayId>igw-1</gatewayId></item>
    <item><main>false</main><publicIpv4Pool>ipv4pool-ec2-1</publicIpv4Pool></item>
  </associationSet>
  <routeSet>
    <item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId>
      <origin>CreateRouteTable</origin><state>active</state></item>
    <item><destinationPrefixListId>pl-ddb</destinationPrefixListId><gatewayId>vpce-1</gatewayId>
      <origin>CreateRoute</origin><state>active</state></item>
    <item><destinationPrefixListId>pl-mine</destinationPrefixListId><natGatewayId>nat-1</natGatewayId>
      <origin>CreateRoute</origin><state>active</state></item>
    <item><destinationIpv6CidrBlock>::/0</destinationIpv6CidrBlock>
      <egressOnlyInternetGatewayId>eigw-1</egressOnlyInternetGatewayId><origin>CreateRoute</origin><state>active</state></item>
    <item><destinationCidrBlock>192.0.2.0/24</destinationCidrBlock><instanceId>i-1</instanceId>
      <networkInterfaceId>eni-9</networkInterfaceId><origin>CreateRoute</origin><state>blackhole</state></item>
    <item><destinationCidrBlock>198.51.100.0/24</destinationCidrBlock><origin>EnableVgwRoutePropagation</origin>
      <state>blackhole</state></item>
    <item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><gatewayId>igw-1</gatewayId><igwFirewall>
      <firewallArn>arn:aws:network-firewall:us-east-1:111122223333:firewall/f</firewallArn><status>complete</status></igwFirewall>
      <origin>CreateRoute</origin><state>active</state></item>
    <item><destinationCidrBlock>203.0.113.0/24</destinationCidrBlock><odbNetworkArn>arn:odb</odbNetworkArn>
      <origin>NewOrigin</origin><state>filtered</state></item>
  </routeSet></item></routeTableSet>";

pub const ENDPOINTS: &str = "<vpcEndpointSet>
  <item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>Gateway</vpcEndpointType><vpcId>vpc-1</vpcId>
    <serviceName>com.amazonaws.us-east-1.dynamodb</serviceName><state>available</state>
    <routeTableIdSet><item>rtb-1</item></routeTableIdSet></item>
  <item><vpcEndpointId>vpce-2</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType><vpcId>vpc-1</vpcId>
    <serviceName>com.amazonaws.us-east-1.dynamodb</serviceName><state>Available</state>
    <networkInterfaceIdSet><item>eni-1</item></networkInterfaceIdSet></item>
  <item><vpcEndpointId>vpce-3</vpcEndpointId><vpcEndpointType>GatewayLoadBalancer</vpcEndpointType><vpcId>vpc-1</vpcId>
    <serviceName>com.amazonaws.vpce.us-east-1.vpce-svc-1</serviceName><state>pendingAcceptance</state></item>
  <item><vpcEndpointId>vpce-4</vpcEndpointId><vpcEndpointType>Resource</vpcEndpointType><vpcId>vpc-1</vpcId>
    <resourceConfigurationArn>arn:rcfg</resourceConfigurationArn><state>available</state></item>
  <item><vpcEndpointId>vpce-5</vpcEndpointId><vpcId>vpc-1</vpcId><serviceName>x</serviceName></item>
</vpcEndpointSet>";

pub const NO_ENDPOINTS: &str = "<vpcEndpointSet/>";

pub const LISTS: &str = "<prefixListSet>
  <item><prefixListId>pl-s3</prefixListId><prefixListName>com.amazonaws.us-east-1.s3</prefixListName>
    <cidrSet><item>3.5.0.0/19</item></cidrSet></item>
  <item><prefixListId>pl-ddb</prefixListId><prefixListName>com.amazonaws.us-east-1.dynamodb</prefixListName>
    <cidrSet><item>52.94.0.0/22</item><item>52.119.224.0/20</item></cidrSet></item>
</prefixListSet>";

/// As moto has them: no entries.
pub const BARE_LISTS: &str = "<prefixListSet>
  <item><prefixListId>pl-ddb</prefixListId><prefixListName>com.amazonaws.us-east-1.dynamodb</prefixListName></item>
  <item><prefixListId>pl-ddb6</prefixListId><prefixListName>com.amazonaws.us-east-1.ipv6.dynamodb</prefixListName>
    <cidrSet/></item>
</prefixListSet>";

pub const ENTRIES: &str =
    "<entrySet><item><cidr>192.0.2.129/25</cidr><description>ours</description></item></entrySet>";

pub const INTERFACES: &str = "<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>
  <privateIpAddress>10.0.0.5</privateIpAddress>
  <privateIpAddressesSet><item><privateIpAddress>10.0.0.5</privateIpAddress></item></privateIpAddressesSet>
  <ipv6AddressesSet><item><ipv6Address>2001:db8::5</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet>";

pub const SUBNETS: &str = "<subnetSet>
  <item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/24</cidrBlock>
    <availabilityZone>us-east-1a</availabilityZone>
    <blockPublicAccessStates><internetGatewayBlockMode>block-ingress</internetGatewayBlockMode></blockPublicAccessStates>
    <networkFirewallConnectivityType>flexible</networkFirewallConnectivityType>
    <ipv6CidrBlockAssociationSet>
      <item><ipv6CidrBlock>2001:db8::/64</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item>
      <item><ipv6CidrBlock>2001:db8:1::/64</ipv6CidrBlock><ipv6CidrBlockState><state>disassociated</state></ipv6CidrBlockState></item>
    </ipv6CidrBlockAssociationSet></item>
  <item><subnetId>subnet-2</subnetId><vpcId>vpc-2</vpcId><cidrBlock>10.1.0.0/24</cidrBlock></item>
</subnetSet>";

pub const GROUPS: &str = "<securityGroupInfo>
  <item><groupId>sg-1</groupId><groupName>default</groupName><ipPermissions/>
    <ipPermissionsEgress>
      <item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>8443</toPort>
        <groups><item><userId>111122223333</userId><groupId>sg-2</groupId></item></groups>
        <ipRanges><item><cidrIp>10.0.0.0/16</cidrIp></item></ipRanges>
        <ipv6Ranges><item><cidrIpv6>2001:db8::/32</cidrIpv6></item></ipv6Ranges>
        <prefixListIds><item><prefixListId>pl-ddb</prefixListId></item></prefixListIds></item>
      <item><ipProtocol>udp</ipProtocol><fromPort>53</fromPort><toPort>53</toPort>
        <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>
      <item><ipProtocol>-1</ipProtocol><groups/><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>
      <item><ipProtocol>icmp</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort></item>
    </ipPermissionsEgress></item>
  <item><groupId>sg-2</groupId><ipPermissionsEgress/></item>
</securityGroupInfo>";

pub const ACLS: &str =
    "<networkAclSet><item><networkAclId>acl-1</networkAclId><vpcId>vpc-1</vpcId><default>true</default>
  <entrySet>
    <item><ruleNumber>32767</ruleNumber><protocol>-1</protocol><ruleAction>deny</ruleAction><egress>true</egress>
      <cidrBlock>0.0.0.0/0</cidrBlock></item>
    <item><ruleNumber>100</ruleNumber><protocol>6</protocol><ruleAction>allow</ruleAction><egress>true</egress>
      <cidrBlock>52.94.0.0/16</cidrBlock><portRange><from>443</from><to>444</to></portRange></item>
    <item><ruleNumber>90</ruleNumber><protocol>17</protocol><ruleAction>deny</ruleAction><egress>true</egress>
      <cidrBlock>0.0.0.0/0</cidrBlock><portRange><from>1</from><to>2</to></portRange></item>
    <item><ruleNumber>100</ruleNumber><protocol>-1</protocol><ruleAction>allow</ruleAction><egress>false</egress>
      <cidrBlock>0.0.0.0/0</cidrBlock></item>
  </entrySet>
  <associationSet>
    <item><networkAclAssociationId>aclassoc-1</networkAclAssociationId><networkAclId>acl-1</networkAclId>
      <subnetId>subnet-1</subnetId></item>
    <item><networkAclAssociationId>aclassoc-2</networkAclAssociationId><networkAclId>acl-1</networkAclId>
      <subnetId>subnet-3</subnetId></item>
  </associationSet></item></networkAclSet>";

pub const EXCLUSIONS: &str = "<vpcBlockPublicAccessExclusionSet><item><exclusionId>vpcbpa-exclude-1</exclusionId>
  <internetGatewayExclusionMode>allow-egress</internetGatewayExclusionMode>
  <resourceArn>arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1</resourceArn><state>create-complete</state>
  </item></vpcBlockPublicAccessExclusionSet>";

pub const NAT_GATEWAYS: &str = "<natGatewaySet>
  <item><natGatewayId>nat-1</natGatewayId><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><state>available</state>
    <natGatewayAddressSet><item><privateIp>10.0.0.9</privateIp><isPrimary>true</isPrimary></item></natGatewayAddressSet>
    <connectivityType>public</connectivityType><availabilityMode>zonal</availabilityMode></item>
  <item><natGatewayId>nat-2</natGatewayId><vpcId>vpc-1</vpcId><state>pending</state>
    <natGatewayAddressSet><item><publicIp>203.0.113.9</publicIp><availabilityZone>us-east-1c</availabilityZone></item>
    </natGatewayAddressSet><connectivityType>public</connectivityType><availabilityMode>regional</availabilityMode>
    <attachedApplianceSet><item><type>network-firewall-proxy</type></item></attachedApplianceSet></item>
</natGatewaySet>";

pub const DNS_SUPPORT: &str = "<vpcId>vpc-1</vpcId><enableDnsSupport><value>true</value></enableDnsSupport>";

pub const DNS_HOSTNAMES: &str = "<vpcId>vpc-1</vpcId><enableDnsHostnames><value>false</value></enableDnsHostnames>";
