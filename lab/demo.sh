#!/usr/bin/env bash
# The main job, for people: a Go service from source to healthy pods.
# With DEPLOY_KUBECONFIG and REGISTRY_URL set it uses that cluster and that registry; else the lab, which it brings up.
set -euo pipefail
began=$SECONDS
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

if [ -n "${DEPLOY_KUBECONFIG:-}" ] && [ -n "${REGISTRY_URL:-}" ]; then
  say "demo: your own cluster and registry: $REGISTRY_URL"
else
  say "demo: the lab (a real registry and a real cluster on this machine; the first time takes a while)"
  python3 -m lab up
  eval "$(python3 -m lab env)"
fi
env=${DEMO_ENV:-dev}
namespace=$(printf '%s_NAMESPACE' "${env^^}")
namespace=${!namespace:-$env}
context=$(printf '%s_CONTEXT' "${env^^}")
context=${!context:-$env}
kubectl() { command kubectl --kubeconfig "$DEPLOY_KUBECONFIG" --context "$context" --namespace "$namespace" "$@"; }

say "\$ deploy up --env $env"
deploy up --env "$env"

say "the service answers:"
kubectl get --raw "/api/v1/namespaces/$namespace/services/web:http/proxy/"

say "the pods:"
kubectl get pods --selector app.kubernetes.io/instance=web --output wide

say "\$ deploy status"
deploy status --env "$env"
printf '\ndemo: healthy in %d s\n' "$((SECONDS - began))"
