# What every host change script stands on. Bash, run as root, the script on standard input.
# Functions are called by name, from the table of changes at the end.
# shellcheck disable=SC2329
# A record under $a1_state/<change> holds what was there before the first apply; only revert removes it.
set -euo pipefail
shopt -s inherit_errexit
umask 077
export LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Whoever began a run may be gone before its end, and a word to nobody is else this shell's last: what it has broken would
# stay so. Handled, not ignored: programs that it starts would inherit that.
trap : PIPE

a1_fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

a1_deviation() { # concern, expected, found, since when if that is known
    printf '%s\t%s\t%s\t%s\n' "$1" "${2//[$'\t\n']/ }" "${3//[$'\t\n']/ }" "${4:-}"
}

a1_time() { # seconds since 1970: as people and machines read it
    date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ
}

a1_changed() { # path: when it was last changed, or the folder that it is missing from
    local path=$1
    while [ ! -e "$path" ] && [ ! -L "$path" ]; do path=$(dirname -- "$path"); done
    a1_time "$(stat -c %Z -- "$path")"
}

a1_entered() { # unit, property with a time stamp: seconds since 1970, 0 where there is none
    # By text, since systemd prints seconds only from version 251 on.
    local stamp
    stamp=$(TZ=UTC systemctl show --property="$2" --value "$1")
    if [ -n "$stamp" ]; then date -d "$stamp" +%s; else echo 0; fi
}

a1_remember() { # change, key, value: the first value stays
    local entry="$a1_state/$1/live/$2"
    [ -e "$entry" ] && return
    mkdir -p -- "$a1_state/$1/live"
    printf '%s\n' "$3" >"$entry.new~"
    mv -fT -- "$entry.new~" "$entry"
}

a1_stopped() { # unit: since when it is not running, nothing where it never has
    local seconds
    seconds=$(a1_entered "$1" InactiveEnterTimestamp)
    if [ "$seconds" != 0 ]; then a1_time "$seconds"; fi
}

a1_record() { # change, path: the earlier file or its absence, once
    local entry="$a1_state/$1/files/${2//\//%}" folder
    [ -d "$entry" ] && return
    rm -rf -- "$entry~"
    mkdir -p -- "$entry~"
    printf '%s\n' "$2" >"$entry~/path"
    if [ -e "$2" ] || [ -L "$2" ]; then cp -a -- "$2" "$entry~/original"; fi
    folder=$(dirname -- "$2")
    # Also those that another file of ours is to take along, as whichever goes last finds them empty.
    while [ ! -d "$folder" ] || grep -qsxF -- "$folder" "$a1_state"/*/files/*/folders; do
        printf '%s\n' "$folder" >>"$entry~/folders"
        folder=$(dirname -- "$folder")
    done
    mv -T -- "$entry~" "$entry"
}

a1_restore() { # entry of a record
    local path new folder
    path=$(<"$1/path")
    if [ -e "$1/original" ] || [ -L "$1/original" ]; then
        new="$(dirname -- "$path")/.a1-new.$(basename -- "$path")"
        mkdir -p -- "$(dirname -- "$path")"
        rm -rf -- "$new"
        cp -a -- "$1/original" "$new"
        mv -fT -- "$new" "$path"
    else
        rm -f -- "$path"
        if [ -e "$1/folders" ]; then
            while read -r folder; do
                if [ -d "$folder" ]; then rmdir --ignore-fail-on-non-empty -- "$folder"; fi
            done <"$1/folders"
        fi
    fi
    # In one step: a record that has lost its original would say that there was none, and the next revert remove it.
    rm -rf -- "$1~"
    mv -T -- "$1" "$1~"
    rm -rf -- "$1~"
}

a1_stage() { # change, path, mode, owner; content on standard input
    mkdir -p -- "$a1_staged$(dirname -- "$2")"
    cat >"$a1_staged$2"
}

a1_put() { # change, path, mode, owner: one rename makes the new file visible
    local folder new
    if [ -z "$(a1_compare "$1" "$2" "$3" "$4" <"$a1_staged$2")" ]; then return; fi
    a1_record "$1" "$2"
    : >"$a1_state/$1/pending"
    if [ -f "$2" ] && [ ! -L "$2" ] && cmp -s -- "$a1_staged$2" "$2"; then
        # Its time stays, by which a change tells whether its program has read it.
        chown -- "$4" "$2"
        chmod -- "$3" "$2"
        return
    fi
    folder=$(dirname -- "$2")
    if [ ! -d "$folder" ]; then (umask 022 && mkdir -p -- "$folder"); fi
    new="$folder/.a1-new.$(basename -- "$2")"
    rm -rf -- "$new"
    install -m "$3" -o "${4%:*}" -g "${4#*:}" -- "$a1_staged$2" "$new"
    mv -fT -- "$new" "$2"
}

a1_compare() { # change, path, mode, owner; content on standard input
    local expected found content there
    if [ -L "$2" ] || [ ! -f "$2" ]; then
        found=$(if [ -e "$2" ] || [ -L "$2" ]; then echo "no plain file"; else echo absent; fi)
        a1_deviation "$1 $2" "a file" "$found" "$(a1_changed "$2")"
        return
    fi
    # By bash itself: a program for each of all files would be most of what every run waits for.
    IFS= read -rd '' content || true
    # A text has no null byte, at which a reading ends well.
    if IFS= read -rd '' there <"$2" || [ "$there" != "$content" ]; then
        expected=$(printf '%s' "$content" | sha256sum) found=$(sha256sum <"$2")
        a1_deviation "$1 $2" "content sha256 ${expected:0:12}" "content sha256 ${found:0:12}" "$(a1_changed "$2")"
    fi
    expected="${3#0} $4" found=$(stat -c '%a %U:%G' -- "$2")
    if [ "$expected" != "$found" ]; then
        a1_deviation "$1 $2" "mode and owner $expected" "mode and owner $found" "$(a1_changed "$2")"
    fi
}

a1_path() { # change, path: names a declared file
    printf '%s\n' "$2"
}

a1_verify() { # change, function prefix
    "$2_packages" a1_verify_packages
    "$2_files" a1_compare
    "$2_verify"
}

a1_restore_undeclared() { # change, function prefix: what an earlier version of the change wrote and this one does not
    local declared entry
    declared=$("$2_files" a1_path)
    for entry in "$a1_state/$1/files"/*; do
        [ -d "$entry" ] || continue
        case "$entry" in *~) rm -rf -- "$entry" && continue ;; esac
        if ! grep -qxF -- "$(<"$entry/path")" <<<"$declared"; then
            : >"$a1_state/$1/pending"
            a1_restore "$entry"
        fi
    done
}

a1_keep() { # file of a record; content on standard input, written only where it differs
    cat >"$1~"
    if cmp -s -- "$1~" "$1"; then rm -f -- "$1~"; else mv -fT -- "$1~" "$1"; fi
}

a1_keep_revert() { # change, function prefix, order: a revert that needs nothing but the record
    local record="$a1_state/$1"
    {
        printf 'set -euo pipefail\nexport LC_ALL=C PATH=%q\na1_state=%q\n' "$PATH" "$a1_state"
        declare -f a1_fail a1_restore a1_apt a1_uninstall a1_revert "$2_before_revert" "$2_revert"
        printf 'a1_revert %q %q\n' "$1" "$2"
    } | a1_keep "$record/revert"
    a1_keep "$record/order" <<<"$(printf '%03d' "$3")"
    a1_keep "$record/group" <<<"$a1_group"
}

a1_apt() { # a command of apt-get, without a question and without restarting services
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 \
        apt-get --quiet --quiet --yes -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 2>&1
}

a1_lacks() { # alternatives, as a|b: succeeds where none of them is installed
    local name
    # Asked once for all changes, as every run waits for it.
    if [ -z "${a1_installed:-}" ]; then
        a1_installed=$'\n'$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null || true)$'\n'
    fi
    for name in ${1//|/ }; do
        case "$a1_installed" in *$'\n'"$name installed"$'\n'*) return 1 ;; esac
    done
}

a1_verify_packages() { # change, packages
    local name change=$1
    shift
    for name in "$@"; do
        if a1_lacks "$name"; then a1_deviation "$change package ${name%%|*}" installed absent; fi
    done
}

a1_install() { # function prefix, order, change, packages: what is missing; nothing that is there is upgraded
    local prefix=$1 order=$2 change=$3 record="$a1_state/$3" name plan attempt missing=()
    shift 3
    for name in "$@"; do if a1_lacks "$name"; then missing+=("${name%%|*}"); fi; done
    if [ "${#missing[@]}" = 0 ]; then return; fi
    for attempt in first last; do
        if plan=$(a1_apt --simulate --no-install-recommends install "${missing[@]}"); then
            # `Inst name [version that is there] (new version ...)` is an upgrade.
            if grep -qE '^Inst [^ ]+ \[|^Remv ' <<<"$plan"; then
                a1_fail "$change: installing ${missing[*]} would upgrade or remove packages, expected it not to:"$'\n'"$plan"
            fi
            mkdir -p -- "$record/files"
            # First, so that a run which is cut while it installs can be undone, and what packages start is not
            # taken for what was there before.
            a1_keep_revert "$change" "$prefix" "$order"
            "${prefix}_record"
            awk '/^Inst / { print $2 }' <<<"$plan" >>"$record/packages"
            if plan=$(a1_apt --no-install-recommends --no-remove install "${missing[@]}"); then
                a1_installed=""
                printf 'installed\t%s\t%s\n' "$change" "${missing[*]}"
                return
            fi
        fi
        # An index that is out of date knows no package, or one that its server has no more.
        if [ "$attempt" = first ]; then a1_apt update >/dev/null || true; fi
    done
    a1_fail "$change: could not install ${missing[*]}, expected to: $plan"
}

a1_uninstall() { # change: purges what it has installed, unless something else needs that by now
    local record="$a1_state/$1/packages" installed other
    if [ ! -s "$record" ]; then return; fi
    mapfile -t installed < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null |
        awk 'NR == FNR { ours[$1]; next } $1 in ours && $2 != "not-installed" { print $1 }' "$record" -)
    if [ "${#installed[@]}" = 0 ]; then return; fi
    other=$(a1_apt --simulate purge "${installed[@]}" | awk '/^(Purg|Remv) / { print $2 }' | grep -vxFf "$record" || true)
    if [ -n "$other" ]; then
        printf 'kept\t%s\t%s: needed by %s\n' "$1" "${installed[*]}" "${other//$'\n'/ }"
    else
        other=$(a1_apt purge "${installed[@]}") || a1_fail "$1: could not remove ${installed[*]}: $other"
    fi
}

a1_apply() { # change, function prefix, order
    local record="$a1_state/$1"
    mkdir -p -- "$record/files"
    a1_keep_revert "$1" "$2" "$3"
    "$2_record"
    "$2_files" a1_put
    a1_restore_undeclared "$1" "$2"
    if [ -e "$record/pending" ] || [ -n "$("$2_verify")" ]; then
        : >"$record/pending"
        "$2_apply"
        rm -f -- "$record/pending"
        # Last, as nobody may listen any more: the connection can be cut while the host goes on.
        printf 'changed\t%s\n' "$1"
    fi
}

a1_revert() { # change, function prefix
    local entry
    "$2_before_revert"
    for entry in "$a1_state/$1/files"/*; do
        case "$entry" in *~) continue ;; esac
        if [ -d "$entry" ]; then a1_restore "$entry"; fi
    done
    "$2_revert"
    a1_uninstall "$1"
    # First what makes it a record, so that nobody looks for the way back in what a cut has left of it.
    rm -f -- "${a1_state:?}/$1/group"
    rm -rf -- "${a1_state:?}/$1"
    printf 'reverted\t%s\n' "$1"
}

a1_recorded() { # the group's changes on this host, last applied first
    local record
    for record in "$a1_state"/*/; do
        [ -e "$record/group" ] && [ "$(<"$record/group")" = "$a1_group" ] || continue
        printf '%s %s\n' "$(<"$record/order")" "$(basename -- "$record")"
    done | sort -r | cut -d' ' -f2
}

a1_revert_recorded() { # the changes to keep
    local name keep=" $* "
    for name in $(a1_recorded); do
        case "$keep" in *" $name "*) ;; *) bash -- "$a1_state/$name/revert" ;; esac
    done
    rmdir --ignore-fail-on-non-empty -p -- "$a1_state" 2>/dev/null || true
}

a1_lock() { # one run at a time, and no lock file to leave behind
    exec 9</var/lib
    flock -w 600 9 || a1_fail "another run has held this host for 10 minutes: expected it to finish"
}

a1_marks() { # which run has last brought what into force here; `up` compares it with what it knows
    local file name
    for file in "$a1_state"/*.mark "${a1_state%/*}"/uploads/*/mark; do
        [ -e "$file" ] || continue
        name=$(basename -- "${file%.mark}")
        case "$file" in */mark) name="upload-$(basename -- "${file%/mark}")" ;; esac
        printf 'mark\t%s\t%s\n' "$name" "$(<"$file")"
    done
}

a1_run() { # verb, then name=prefix for each change
    local verb=$1 found="" index=0 pair names=""
    shift
    # shellcheck disable=SC2034 # for the pieces of the changes
    a1_verb=$verb
    for pair in "$@"; do names="$names ${pair%%=*}"; done
    case "$verb" in
    apply)
        a1_lock
        a1_staged=$(mktemp -d)
        trap 'rm -rf -- "$a1_staged"' EXIT
        for pair in "$@"; do # first, as the checks ask what is installed here
            index=$((index + 1))
            "${pair#*=}_packages" a1_install "${pair#*=}" "$index"
        done
        index=0
        for pair in "$@"; do # every check before the first write to what is there
            "${pair#*=}_files" a1_stage
            "${pair#*=}_check"
        done
        # shellcheck disable=SC2086 # a list of names
        a1_revert_recorded $names
        for pair in "$@"; do
            index=$((index + 1))
            a1_apply "${pair%%=*}" "${pair#*=}" "$index"
        done
        found=$(for pair in "$@"; do a1_verify "${pair%%=*}" "${pair#*=}"; done)
        [ -z "$found" ] || a1_fail "not in force after apply (concern, expected, found):"$'\n'"$found"
        if [ -n "${a1_mark:-}" ]; then
            mkdir -p -- "$a1_state" # which is not there where no change is declared
            a1_keep "$a1_state/$a1_group.mark" <<<"$a1_mark"
        fi
        ;;
    confirm)
        a1_lock
        for pair in "$@"; do "${pair#*=}_confirm"; done
        ;;
    verify)
        found=$(for pair in "$@"; do a1_verify "${pair%%=*}" "${pair#*=}"; done)
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            exit 1
        fi
        ;;
    drift) # for `up`: never fails because of what it finds
        a1_marks
        for pair in "$@"; do a1_verify "${pair%%=*}" "${pair#*=}"; done
        ;;
    revert)
        a1_lock
        rm -f -- "$a1_state/$a1_group.mark"
        a1_revert_recorded
        ;;
    *) a1_fail "unknown verb: found '$verb', expected apply, confirm, verify, drift or revert" ;;
    esac
}
