#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lets one fuzzer search for SEKISHO_FUZZ_SECONDS (600): search.sh PROGRAM CORPUS DICTIONARY FOUND LENGTH
# It reads CORPUS, which stays as it is, and DICTIONARY if there is one. What it learns is kept in FOUND/inputs for
# the next time, and an input that broke something in FOUND, under the name that the end of its output says.
set -eu

program=$1 corpus=$2 dictionary=$3 found=$4 length=$5
mkdir -p "$found/inputs"
set -- "$found/inputs" "$corpus"
[ ! -f "$dictionary" ] || set -- -dict="$dictionary" "$@"
exec "$program" -max_total_time="${SEKISHO_FUZZ_SECONDS:-600}" -max_len="$length" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$found/" "$@"
