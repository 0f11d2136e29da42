# Imports the images that `images` lists (digest, file, references) from the copies whose folders begin with `begin`,
# and pins them for `part`.
# shellcheck shell=bash disable=SC2154 # both are set by render_import
ctr() {
    /usr/local/bin/k3s ctr --namespace k8s.io images "$@"
}
# The label of an image ends in the part that needs it; several may need the same one.
needed_by=a1platform.needed-by. pinned=io.cri-containerd.pinned
mine=$needed_by$part
# Asked once: each call of the runtime's client costs as much as a small import.
listed=$(ctr ls)
declare -A held=()
while read -r reference labels; do held[$reference]=$labels; done <<<"$listed"
imported() { # digest, references
    local digest=$1 reference
    shift
    for reference in "$@"; do
        [[ ${held[$reference]:-} == *"a1platform.sha256=$digest"* ]] || return 1
    done
}
kept=" $(images | cut -d' ' -f2 | cut -d/ -f1 | tr '\n' ' ')"
for folder in "$begin"-????????????????; do # those of an earlier bundle
    if [[ $kept != *" ${folder#"$begin"} "* ]]; then rm -rf -- "$folder"; fi
done
while read -r digest file references; do
    # shellcheck disable=SC2086 # a list of names
    if ! imported "$digest" $references; then
        copy=$begin$file
        if [ ! -f "$copy" ]; then
            echo "${file##*/}: found neither it nor its images, expected it at $copy: replace the copy" >&2
            exit 1
        fi
        found=$(sha256sum <"$copy" | cut -d' ' -f1)
        if [ "$found" != "$digest" ]; then
            echo "${file##*/}: found sha256 $found, expected $digest" >&2
            exit 1
        fi
        ctr import "$copy" >/dev/null
    fi
    for reference in $references; do
        ctr label "$reference" "a1platform.sha256=$digest" "$mine=yes" "$pinned=pinned" >/dev/null
    done
done < <(images)
needed=" $(images | cut -d' ' -f3- | tr '\n' ' ')"
for reference in "${!held[@]}"; do
    labels=${held[$reference]}
    if [[ $labels != *"$mine=yes"* || $needed == *" $reference "* ]]; then continue; fi
    unneeded=("$mine=")
    if [[ ${labels/"$mine=yes"/} != *"$needed_by"* ]]; then unneeded+=("$pinned="); fi
    # Not removed: pods run on it until the release follows, and a rollback brings it back.
    ctr label "$reference" "${unneeded[@]}" >/dev/null
done
rm -rf -- "$begin"-????????????????
rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$begin")" 2>/dev/null || true
