# Sourced by tests/e2e/run and tests/benches/run: the directories of the programs that they need and build, and the installation.
# Programs come from Debian, moto and the AWS CLI from PyPI, an evaluator of IAM policies and dynalite, which answers as DynamoDB
# does, from npm, and the packagers from crates.io. All but those from Debian have their own cache.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/onnet
tools=$cache/e2e-tools
pinned=("moto[server]==5.2.1" "awscli==1.45.11")
# With all dependencies. AGPL: it runs as a separate process in the tests, and is never linked or shipped.
evaluator=(@cloud-copilot/iam-{simulate@0.1.173,data@0.21.202609261,policy@0.1.109,utils@0.1.82})
dynamodb=dynalite@4.0.0
# EC2's model: what onnet makes of it is compared with this version. The newest is only reported.
model=botocore==1.44.8
packagers=(cargo-deb@3.8.0 cargo-generate-rpm@0.21.1)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export PATH=$cache/tools/bin:$PATH

step() { printf '\n-- %s (%ss)\n' "$*" "$SECONDS"; "$@"; }

install_packages() {
  apt-get update -q
  # Installed for their programs: their services must not start on this machine.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# The missing ones of these, each a program and its Debian package.
install_from_debian() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  if [ ${#missing[@]} != 0 ]; then install_packages "${missing[@]}"; fi
}

install_from_pypi() {
  if [ "$(cat "$tools/pinned" 2>/dev/null)" = "${pinned[*]}" ]; then return; fi
  rm -rf "$tools"
  python3 -m venv "$tools" 2>/dev/null || { rm -rf "$tools" && install_packages python3-venv && python3 -m venv "$tools"; }
  "$tools/bin/pip" install -q "${pinned[@]}"
  echo "${pinned[*]}" > "$tools/pinned"
}

install_models() {
  local pinned=$tools/botocore-pinned newest=$tools/botocore-newest
  if [ "$(cat "$pinned/version" 2>/dev/null)" != "$model" ]; then
    rm -rf "$pinned"
    "$tools/bin/pip" install -q --no-deps --target "$pinned" "$model"
    echo "$model" > "$pinned/version"
  fi
  rm -rf "$newest"
  "$tools/bin/pip" install -q --no-deps --target "$newest" botocore || echo "the newest botocore is not available"
}

install_from_npm() {
  local into=$tools/npm packages=("${evaluator[@]}" "$dynamodb")
  if [ "$(cat "$into/pinned" 2>/dev/null)" = "${packages[*]}" ]; then return; fi
  rm -rf "$into"
  mkdir -p "$into"
  npm install --prefix "$into" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "${packages[@]}"
  echo "${packages[*]}" > "$into/pinned"
}

install_packagers() {
  local packager
  for packager in "${packagers[@]}"; do
    if "$cache/tools/bin/${packager%@*}" --version 2>/dev/null | grep -qF "${packager#*@}"; then continue; fi
    CARGO_TARGET_DIR=$cache/tools-target cargo install -q "$packager" --locked --root "$cache/tools"
  done
  rm -rf "$cache/tools-target"
}
