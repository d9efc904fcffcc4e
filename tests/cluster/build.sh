#!/usr/bin/env bash
# Finds or builds the control plane that the tests and the demo run against.
#
# Prints one line on standard output, the directory that holds etcd and kube-apiserver (and kubectl where there is none
# on PATH). All progress goes to standard error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { echo "control plane: $*" >&2; }

has_all() { # directory
  [[ -x "$1/etcd" && -x "$1/kube-apiserver" ]]
}

if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
  if has_all "$KUBEBUILDER_ASSETS"; then
    realpath "$KUBEBUILDER_ASSETS"
    exit 0
  fi
  say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no etcd and kube-apiserver; looking elsewhere"
fi

if ! command -v go >/dev/null; then
  say "Go is needed once to build it (see go.mod for the version); or set KUBEBUILDER_ASSETS to a directory that has"
  say "etcd and kube-apiserver, as setup-envtest installs them"
  exit 1
fi

declare -A packages=(
  [etcd]=go.etcd.io/etcd/server/v3
  [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
)
order=(etcd kube-apiserver)
if ! command -v kubectl >/dev/null; then
  packages[kubectl]=k8s.io/kubernetes/cmd/kubectl
  order+=(kubectl)
fi

if command -v sha256sum >/dev/null; then digest=(sha256sum); else digest=(shasum -a 256); fi
version=$({ cat go.mod go.sum build.sh; go version; } | "${digest[@]}" | cut -c1-16)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/jira-findings-operator"
target="$cache/control-plane-$version"
mkdir -p "$cache"

missing=()
find_missing() {
  missing=()
  local name
  for name in "${order[@]}"; do
    [[ -x "$target/$name" ]] || missing+=("$name")
  done
}

find_missing
if ((${#missing[@]} > 0)); then
  # Two runs at once: the second waits and then finds everything there.
  exec 9>"$cache/lock"
  if command -v flock >/dev/null && ! flock -n 9; then
    say "another run is building it; waiting"
    flock 9
  fi
  find_missing
fi

if ((${#missing[@]} > 0)); then
  work=$(mktemp -d "$cache/building-XXXXXX")
  reporter=
  cleanup() {
    [[ -z "$reporter" ]] || kill "$reporter" 2>/dev/null || true
    rm -rf "$work"
  }
  trap cleanup EXIT
  trap 'exit 130' INT TERM
  say "building ${missing[*]} into $target, once: some minutes the first time"
  # A Go build stamps no version, and kubectl refuses to read a server's version that is none.
  release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  stamp=k8s.io/component-base/version
  flags="-s -w -X $stamp.gitVersion=$release -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<<"$release")"
  : >"$work/log"
  (
    while sleep 15; do
      say "${SECONDS}s, $(wc -l <"$work/log" | tr -d ' ') packages compiled"
    done
  ) 9>&- &
  reporter=$!
  mkdir -p "$target"
  for name in "${missing[@]}"; do
    if ! go build -v -trimpath -ldflags="$flags" -o "$work/$name" "${packages[$name]}" >>"$work/log" 2>&1 9>&-; then
      say "building $name failed:"
      tail -n 40 "$work/log" >&2
      exit 1
    fi
    # One rename: a directory never holds half a binary.
    mv "$work/$name" "$target/$name"
    say "built $name after ${SECONDS}s"
  done
fi

echo "$target"
