#!/usr/bin/env bash
# Data directories for the sets of run.sh, whose options it is called with. Those of another
# corpus: write ${datadir}/SET/{wav.scp,text,utt2spk}, and segments where there are such, as
# in every ESPnet recipe. They are formatted afterwards.
set -euo pipefail
exec "${python:-python3}" -m espnet_tutornet.bin.stage data "$@"
