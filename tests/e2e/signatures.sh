#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# signatures.sh - `lockstep events verify`: messages signed as each sender signs them, by OpenSSL, and what is said of wrong ones.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

export WEBHOOK_SECRET='a secret'
hex() { openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -hex | sed 's/.*= //'; }
base64_mac() { openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -binary | base64; }
# The key as it is in Standard Webhooks: in base64 behind whsec_.
standard_mac() { openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f1011121314151617 -binary | base64; }
standard_key=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX

check() { lockstep events verify body "$@"; }
body() { printf '%s' "${1:-{\"n\":1\}}" >body; }

test_every_scheme_is_verified() {
    local now stamp
    now=$(date +%s)
    body
    status 0 check --header "x-webhook-signature: $(hex <body)"
    says out 'valid, with secret 1 of 1'
    status 0 check --scheme github --header "X-Hub-Signature-256: sha256=$(hex <body)"
    status 0 check --scheme shopify --header "X-Shopify-Hmac-Sha256: $(base64_mac <body)"
    stamp=$(printf '%s.%s' "$now" "$(cat body)" | hex)
    status 0 check --scheme stripe --header "Stripe-Signature: t=$now,v1=$stamp"
    stamp=$(printf 'm1.%s.%s' "$now" "$(cat body)" | standard_mac)
    SECRET=$standard_key status 0 check --scheme standard --secret env:SECRET --header 'webhook-id: m1' --header "webhook-timestamp: $now" --header "webhook-signature: v1,$stamp"
    SECRET=v1,$standard_key status 0 check --scheme supabase --secret env:SECRET --header 'webhook-id: m1' --header "webhook-timestamp: $now" --header "webhook-signature: v1,AAAA, v1,$stamp"
    status 0 check --scheme header:X-Key --header 'X-Key: a secret'
    status 0 check --scheme documented:X-Mine --header "X-Mine: $(hex <body)"
}

test_it_says_why_a_signature_does_not_fit() {
    body
    local right
    right="x-webhook-signature: $(hex <body)"
    body '{"n": 1}'
    status 1 check --header "$right"
    says out 'not valid: the secret is right, but the signature is of the body as JSON without blanks'
    body
    WEBHOOK_SECRET=another status 1 check --header "$right"
    says out 'made with none of the 1 secrets'
    status 1 check --scheme github --header "$right"
    says out 'the header X-Hub-Signature-256 is missing; there is x-webhook-signature, which the scheme `documented` has'
    status 1 check --header "$right" --header "$right"
    says out 'there more than once'
    status 1 check --scheme stripe --header 'Stripe-Signature: t=1700000000,v1=0000000000000000000000000000000000000000000000000000000000000000'
    says out 's ago; 300 s are allowed; the signature itself is wrong'
    status 1 check --json --scheme header:X-Key --header 'X-Key: b'
    is "$(jq -c . out)" '{"valid":false,"why":"the signature is not made with any of the secrets"}'
}

test_a_secret_has_a_place_and_is_never_an_argument() {
    local signature
    body
    signature="x-webhook-signature: $(hex <body)"
    printf 'a secret\r\n' >secret
    printf 'an older one\n' >older
    status 0 check --header "$signature" --secret file:older --secret file:secret
    says out 'valid, with secret 2 of 2'
    status 2 check --header "$signature" --secret 'sesame seven'
    says err 'env:NAME or file:PATH'
    lacks err sesame
    status 2 check --header "$signature" --secret env:NOT_THERE
    says err 'NOT_THERE is not set'
    : >empty
    status 2 check --header "$signature" --secret file:empty
    status 2 check --header 'no colon'
    status 2 check --scheme githup
    says err 'did you mean github'
    status 2 check --scheme header
    status 2 lockstep events verify not-there
    printf '{"n":1}' | lockstep events verify - --header "$signature" >out
    says out valid
}

run_tests
