"""Prints, as JSON, the fields and values of botocore's model of EC2: {"fields": {shape: [...]}, "values": {shape: [...]}}."""

import gzip
import json
import sys

with gzip.open(f"{sys.argv[1]}/botocore/data/ec2/2016-11-15/service-2.json.gz") as model:
    shapes = json.load(model)["shapes"]
json.dump(
    {
        "fields": {name: sorted(shape["members"]) for name, shape in shapes.items() if shape["type"] == "structure"},
        "values": {name: shape["enum"] for name, shape in shapes.items() if "enum" in shape},
    },
    sys.stdout,
)
