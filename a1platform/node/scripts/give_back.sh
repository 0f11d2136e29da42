# Takes back whatever a run has left on this host that no later one knows of: it was cut or has failed, so no
# state holds it. Every change keeps its own way back here; the hardening goes last, as it came first.
# shellcheck shell=bash
a1_lock
mapfile -t a1_groups < <(cat -- "$a1_state"/*/group 2>/dev/null | sort -u | grep -vxF -- "$a1_last")
for a1_group in "${a1_groups[@]}" "$a1_last"; do a1_revert_recorded; done
rm -rf -- "$a1_state"
for record in "$a1_uploads"/*/; do
    if [ -d "$record" ]; then a1_upload_revert "$(basename -- "$record")"; fi
done
rm -rf -- "$a1_copies"
rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$a1_state")" 2>/dev/null || true
