#!/usr/bin/env bash
# Mesa's lavapipe, a Vulkan driver that needs no GPU, in a folder of its own: `bash envs/vulkan.sh FOLDER`.
#
# For Debian; nothing of the system is changed. ManiSkill's renderer needs Mesa 25 or newer, which
# Debian 12 has in its backports; they are taken from where the machine takes its own packages.
set -euo pipefail
folder=$(realpath -m "${1:?the folder}")
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
suite=$codename
test "$codename" != bookworm || suite=bookworm-backports

# The first source that names the machine's own suite, in either format of sources
# shellcheck disable=SC2016
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | awk -v suite="$codename" '
    $1 == "deb" { for (k = 3; k <= NF; k++) if ($k == suite) { print $(k - 1); exit } }
    $1 == "Types:" { uri = ""; named = 0 }
    $1 == "URIs:" { uri = $2 }
    $1 == "Suites:" { for (k = 2; k <= NF; k++) if ($k == suite) named = 1 }
    uri != "" && named { print uri; exit }
') || true
test -n "$mirror" || {
    echo "vulkan.sh: no apt source names the suite '$codename'; install Mesa's Vulkan drivers (25 or newer)" >&2
    exit 1
}

mkdir -p "$folder"
work=$(mktemp -d "$folder/apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$work/parts"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
private=(-qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User=root)
apt-get "${private[@]}" update
(cd "$work" && apt-get "${private[@]}" download mesa-vulkan-drivers)
dpkg -x "$work"/mesa-vulkan-drivers_*.deb "$work/root"

driver=$(echo "$work"/root/usr/lib/*/libvulkan_lvp.so)
if ldd "$driver" | grep 'not found'; then
    echo "vulkan.sh: the driver needs these libraries; install their packages first" >&2
    exit 1
fi
cp "$driver" "$folder/libvulkan_lvp.so"
sed 's,"library_path": ".*","library_path": "./libvulkan_lvp.so",' \
    "$work"/root/usr/share/vulkan/icd.d/lvp_icd*.json > "$folder/lavapipe.json"
