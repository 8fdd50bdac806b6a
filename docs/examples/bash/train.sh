#!/usr/bin/env bash
# Estimates pi by throwing darts, a hundred a step. No Python, nothing of ours: files and variables.
set -eu
cd "$GOAP_RUN_DIR" && mkdir -p checkpoints && rm -rf checkpoints/.tmp-*
steps=$1 step=0 inside=0 stop='' last=''
trap 'stop=1' TERM
if [ -n "$GOAP_RESUME" ]; then read -r step inside < "$GOAP_RESUME/state"; fi
RANDOM=$step
while [ "$step" -lt "$steps" ] && [ -z "$last" ]; do
  if [ "$EPOCHSECONDS" -ge "${GOAP_DEADLINE:-9999999999}" ]; then stop=1; fi
  last=$stop step=$((step + 1))
  RANDOM=$step  # of the step alone: who resumes throws the same darts
  for _ in {1..100}; do
    x=$RANDOM y=$RANDOM
    if [ $((x * x + y * y)) -le $((32767 * 32767)) ]; then inside=$((inside + 1)); fi
  done
  error=$((4000 * inside / (100 * step) - 3142)) && error=${error#-}
  echo "{\"step\": $step, \"error_permille\": $error}" >> metrics.jsonl
  if [ $((step % 50)) -ne 0 ] && [ -z "$last" ]; then continue; fi
  made=checkpoints/.tmp-$step name=checkpoints/$(printf 'step-%08d' "$step")
  mkdir "$made" && echo "$step $inside" > "$made/state" && sync "$made/state"
  if [ ! -d "$name" ]; then mv "$made" "$name"; fi
done
if [ "$step" -eq "$steps" ]; then
  echo "{\"step\": $step, \"inside\": $inside, \"error_permille\": $error}" > .tmp && mv .tmp result.json
fi
