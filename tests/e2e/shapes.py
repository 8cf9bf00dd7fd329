"""Sends onnet's requests to an EC2 API with botocore, and compares each answer with botocore's model of the API.

Prints, for each operation, the elements that the model does not know and those it knows, as JSON. Listings are read in pages of
two, and the pages must add up to the listing in one page.
"""

import json
import sys
import xml.etree.ElementTree as XML

import botocore.session

session = botocore.session.get_session()
ec2 = session.create_client("ec2")
answers = []
ec2.meta.events.register("response-received.ec2", lambda response_dict, **_: answers.append(response_dict["body"]))


def names(element, shape, path, known, unknown):
    """Sorts the names of an element's parts by whether the model has them."""
    if shape.type_name == "list":
        for item in element:
            names(item, shape.member, path, known, unknown)
        return
    if shape.type_name != "structure":
        return
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for part in element:
        name = part.tag.split("}")[-1]
        place = f"{path}.{name}" if path else name
        if name in members:
            known.add(place)
            names(part, members[name], place, known, unknown)
        elif place != "requestId":
            unknown.add(place)


def ask(operation, result, **parameters):
    """One operation: at once, and page by page."""
    answers.clear()
    method = {name: attribute for attribute, name in ec2.meta.method_to_api_mapping.items()}[operation]
    whole = getattr(ec2, method)(**parameters)[result]
    paged = ec2.get_paginator(method).paginate(**parameters, PaginationConfig={"PageSize": 5}).build_full_result()
    known, unknown = set(), set()
    for answer in answers:
        names(XML.fromstring(answer), ec2.meta.service_model.operation_model(operation).output_shape, "", known, unknown)
    return {"unknown": sorted(unknown), "known": sorted(known), "items": len(whole), "paged": len(paged[result])}


vpc = [{"Name": "vpc-id", "Values": [sys.argv[1]]}]
region = session.get_config_variable("region")
named = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{region}.dynamodb"]}]
lists = ec2.describe_managed_prefix_lists(Filters=named)["PrefixLists"]
print(
    json.dumps(
        {
            "DescribeRouteTables": ask("DescribeRouteTables", "RouteTables", Filters=vpc),
            "DescribeVpcEndpoints": ask("DescribeVpcEndpoints", "VpcEndpoints", Filters=vpc),
            "DescribePrefixLists": ask("DescribePrefixLists", "PrefixLists"),
            "DescribeManagedPrefixLists": ask("DescribeManagedPrefixLists", "PrefixLists"),
            "GetManagedPrefixListEntries": ask(
                "GetManagedPrefixListEntries", "Entries", PrefixListId=lists[0]["PrefixListId"]
            ),
            "DescribeNetworkInterfaces": ask("DescribeNetworkInterfaces", "NetworkInterfaces", Filters=vpc),
            "DescribeSubnets": ask("DescribeSubnets", "Subnets", Filters=vpc),
        }
    )
)
