"""Prints, as JSON, the fields, their types and the values of botocore's model of EC2:
{"fields": {shape: {field: shape}}, "values": {shape: [...]}}."""

import gzip
import json
import sys

with gzip.open(f"{sys.argv[1]}/botocore/data/ec2/2016-11-15/service-2.json.gz") as model:
    shapes = json.load(model)["shapes"]


def element(name):
    """The shape of a field, or of what its list holds."""
    while shapes[name]["type"] == "list":
        name = shapes[name]["member"]["shape"]
    return name


def types(structure):
    return {field: element(member["shape"]) for field, member in structure["members"].items()}


json.dump(
    {
        "fields": {name: types(shape) for name, shape in shapes.items() if shape["type"] == "structure"},
        "values": {name: shape["enum"] for name, shape in shapes.items() if "enum" in shape},
    },
    sys.stdout,
)
