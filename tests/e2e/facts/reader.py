"""Reads the facts of a VPC from the table as dist/doc/shared-facts.md describes them: with the AWS CLI and openssl, and nothing of onnet.

reader.py AWS TABLE VPC PUBLIC_KEY prints them as JSON. It ends with an error where the facts are not what the key signed.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

aws, table, vpc, public_key = sys.argv[1:]


def dynamodb(*arguments):
    command = [aws, "dynamodb", *arguments, "--table-name", table, "--consistent-read", "--output", "json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def verified(signed, signature):
    """Whether the key made this signature: RFC 8410 has the bytes before an ed25519 key."""
    with tempfile.TemporaryDirectory() as directory:
        key, text, sig = (pathlib.Path(directory) / name for name in ("key", "text", "sig"))
        key.write_bytes(bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public_key))
        text.write_bytes(signed)
        sig.write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin", "-in", text, "-sigfile", sig]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


head = dynamodb("get-item", "--key", json.dumps({"pk": {"S": vpc}, "sk": {"S": "head"}}))["Item"]
document = base64.b64decode(head["document"]["B"])
signature = base64.b64decode(head["signature"]["B"])
context = b"onnet facts of a VPC, head\n"
if not verified(context + document, signature):
    sys.exit("the head is not signed by this key")
assert not verified(context + document[:-1], signature) and not verified(document, signature), "openssl accepts anything"
facts = json.loads(zlib.decompress(document))
assert head["observed_at"]["S"] == facts["observed_at"] and head["publisher"]["S"] == facts["publisher"], head
assert int(head["counter"]["N"]) > 0 and int(head["expires"]["N"]) > 0, head

values = {":vpc": {"S": vpc}, ":chunk": {"S": "chunk."}}
found = dynamodb(
    "query",
    "--key-condition-expression",
    "pk = :vpc AND begins_with(sk, :chunk)",
    "--expression-attribute-values",
    json.dumps(values),
)
chunks = {item["sk"]["S"].removeprefix("chunk."): base64.b64decode(item["data"]["B"]) for item in found["Items"]}


def content(digest):
    if hashlib.sha256(chunks[digest]).hexdigest() != digest:
        sys.exit(f"the chunk {digest} is another one")
    return json.loads(zlib.decompress(chunks[digest]))


contents = facts["contents"]
read = {
    "route_tables": {entry["id"]: content(entry["chunk"]) for entry in contents["route_tables"]["complete"]},
    "vpc_endpoints": content(contents["vpc_endpoints"]["complete"]),
    "endpoint_interfaces": content(contents["endpoint_interfaces"]["complete"]),
    "service_prefix_lists": contents["service_prefix_lists"]["complete"],
    "prefix_lists": {id: content(listed["complete"]) for id, listed in contents["prefix_lists"].items()},
}
print(json.dumps({"head": facts, "facts": read, "chunks": len(chunks)}))
