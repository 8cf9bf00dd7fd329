# The table: for the account that is to own it, once.
resource "aws_dynamodb_table" "onnet_facts" {
  name         = "onnet-facts"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "vpc"
    type = "S"
  }

  attribute {
    name = "instance"
    type = "S"
  }

  global_secondary_index {
    name            = "by-vpc"
    hash_key        = "vpc"
    range_key       = "instance"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }
}

# Reader: for the role of each instance that reads facts there and writes its own status.
data "aws_iam_policy_document" "onnet_facts_reader" {
  version = "2012-10-17"

  statement {
    sid       = "OnnetFactsRead"
    effect    = "Allow"
    actions   = ["dynamodb:GetItem"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts"]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["&{aws:Ec2InstanceSourceVpc}"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnnetFactsStatus"
    effect    = "Allow"
    actions   = ["dynamodb:PutItem"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts"]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["&{ec2:SourceInstanceARN}"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}

# Spot checks: for the role of instances with `--facts-spot-check-every`, beside the reader's.
data "aws_iam_policy_document" "onnet_facts_spot_check" {
  version = "2012-10-17"

  statement {
    sid       = "OnnetFactsSpotCheck"
    effect    = "Allow"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts"]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["spot-check.&{aws:Ec2InstanceSourceVpc}"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnnetReadRoutes"
    effect    = "Allow"
    actions   = ["ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints", "ec2:DescribePrefixLists", "ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkInterfaces"]
    resources = ["*"]
  }

  statement {
    sid       = "OnnetReadPrefixLists"
    effect    = "Allow"
    actions   = ["ec2:GetManagedPrefixListEntries"]
    resources = ["arn:aws:ec2:*:*:prefix-list/*"]
  }
}

# Publisher: for the role of `onnet publish`; of agents that publish, beside the reader's.
data "aws_iam_policy_document" "onnet_facts_publisher" {
  version = "2012-10-17"

  statement {
    sid       = "OnnetFactsPublish"
    effect    = "Allow"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts"]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["&{aws:Ec2InstanceSourceVpc}"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnnetReadRoutes"
    effect    = "Allow"
    actions   = ["ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints", "ec2:DescribePrefixLists", "ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  statement {
    sid       = "OnnetReadPrefixLists"
    effect    = "Allow"
    actions   = ["ec2:GetManagedPrefixListEntries"]
    resources = ["arn:aws:ec2:*:*:prefix-list/*"]
  }
}

# Fleet reader: for the role that reads the status of all instances.
data "aws_iam_policy_document" "onnet_facts_fleet" {
  version = "2012-10-17"

  statement {
    sid       = "OnnetFactsFleet"
    effect    = "Allow"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts/index/by-vpc"]
  }
}

# Endpoint: for the policy of each VPC endpoint of DynamoDB that does not allow everything, besides what it has.
data "aws_iam_policy_document" "onnet_facts_endpoint" {
  version = "2012-10-17"

  statement {
    sid       = "OnnetFacts"
    effect    = "Allow"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "OnnetFactsFleet"
    effect    = "Allow"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = ["arn:aws:dynamodb:*:*:table/onnet-facts/index/by-vpc"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
