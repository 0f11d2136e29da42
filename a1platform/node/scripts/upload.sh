# Puts copied files in their places and takes them away again. Bash, run as root.
# shellcheck disable=SC2329
# A record under $a1_uploads/<name> says what was put where, so that also a run that was cut can be undone.
set -euo pipefail
umask 022
export LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

a1_upload_lock() { # a run that was killed here may still be at work on the host
    exec 9</var/lib
    flock -w 600 9 || {
        echo "another run has held this host for 10 minutes: expected it to finish" >&2
        exit 1
    }
}

a1_upload_is() { # digest, file
    [ -f "$2" ] && [ "$(sha256sum <"$2" | cut -d' ' -f1)" = "$1" ]
}

a1_upload_forget() { # record: removes what it lists and is not to stay, then the folders that were made for it
    local digest path
    while read -r digest path; do
        if a1_upload_is "$digest" "$path"; then rm -f -- "$path"; fi
    done <"$1/files"
    if [ -e "$1/folders" ]; then
        while read -r path; do
            if [ -d "$path" ]; then rmdir --ignore-fail-on-non-empty -- "$path"; fi
        done < <(sort -ru "$1/folders")
    fi
}

a1_upload_record() { # record; rows of digest and path on standard input
    local digest path folder
    mkdir -p -- "$1"
    cat >"$1/files~"
    while read -r digest path; do
        folder=$(dirname -- "$path")
        while [ ! -d "$folder" ]; do
            printf '%s\n' "$folder" >>"$1/folders"
            folder=$(dirname -- "$folder")
        done
    done <"$1/files~"
    # What an earlier upload of this name has put and this one does not.
    if [ -e "$1/files" ]; then
        while read -r digest path; do
            if ! grep -qF " $path" "$1/files~" && a1_upload_is "$digest" "$path"; then rm -f -- "$path"; fi
        done <"$1/files"
    fi
    mv -fT -- "$1/files~" "$1/files"
}

a1_upload_put() { # digest, mode, path, copy
    local new="$3.a1-new"
    if a1_upload_is "$1" "$3"; then
        chmod "$2" -- "$3"
        return
    fi
    if [ ! -f "$4" ]; then
        echo "$3: found neither it nor its copy in $4" >&2
        exit 1
    fi
    if ! a1_upload_is "$1" "$4"; then
        echo "$4: found sha256 $(sha256sum <"$4" | cut -d' ' -f1), expected $1" >&2
        exit 1
    fi
    mkdir -p -- "$(dirname -- "$3")"
    if ! install -m "$2" -o root -g root -- "$4" "$new" || ! mv -fT -- "$new" "$3"; then
        rm -f -- "$new"
        echo "$3: it could not be written; the copy in $4 stays for the next run" >&2
        exit 1
    fi
}

a1_upload_apply() { # name, folder of the copies; rows of digest, mode, path and copy on standard input
    local rows digest mode path copy
    a1_upload_lock
    rows=$(cat)
    awk '{ print $1, $3 }' <<<"$rows" | a1_upload_record "$a1_uploads/$1"
    while read -r digest mode path copy; do
        a1_upload_put "$digest" "$mode" "$path" "$2/$copy"
    done <<<"$rows"
    if [ -n "${a1_mark:-}" ]; then printf '%s\n' "$a1_mark" >"$a1_uploads/$1/mark"; fi
    rm -rf -- "$2"
    rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$2")" 2>/dev/null || true
}

a1_upload_revert() { # name
    a1_upload_lock
    if [ -e "$a1_uploads/$1/files" ]; then a1_upload_forget "$a1_uploads/$1"; fi
    rm -rf -- "${a1_uploads:?}/$1"
    rmdir --ignore-fail-on-non-empty -p -- "$a1_uploads" 2>/dev/null || true
}
