#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lets one fuzzer search for SEKISHO_FUZZ_SECONDS (600): search.sh PROGRAM CORPUS FOUND LENGTH
# It reads CORPUS, which stays as it is. What it learns is kept in FOUND/inputs for the next time, and an input that
# broke something in FOUND, under the name that the end of its output says.
set -eu

program=$1 corpus=$2 found=$3 length=$4
mkdir -p "$found/inputs"
exec "$program" -max_total_time="${SEKISHO_FUZZ_SECONDS:-600}" -max_len="$length" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$found/" "$found/inputs" "$corpus"
