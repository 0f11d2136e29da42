# What must hold of K3s on a node beside its files. Runs inside the host change script, whose library is at hand.
# shellcheck shell=bash
# What K3s and the benchmark want to be root's alone; K3s writes some of it readable for everybody.
a1_k3s_private() { # -print or an action: files and folders that are not root's alone
    local server=/var/lib/rancher/k3s/server agent=/var/lib/rancher/k3s/agent
    find "$server/tls" "$server/cred" "$server/token" "$server/logs" "$agent"/*.kubeconfig "$agent"/*.key "$agent"/*.crt \
        /etc/rancher/k3s/k3s.yaml -perm /077 ! -type l "$@" 2>/dev/null || true
}

a1_k3s_access() {
    stat -c '%a %U:%G' -- "$a1_k3s"
}

a1_k3s_stamp() { # file: what tells cheaply whether it was touched
    stat -c '%s %.9Y %.9Z %i' -- "$1" 2>/dev/null || echo absent
}

a1_k3s_see() { # digest of the binary: kept with what tells whether it is still that one
    echo "$1 $(a1_k3s_stamp "$a1_k3s")" | a1_keep "$a1_state/k3s/seen"
}

a1_k3s_found() { # the binary's digest: `up` does not read it again while nobody has touched it, an audit does
    local digest stamp
    if [ "$a1_verb" != drift ]; then
        a1_k3s_digest "$a1_k3s"
        return
    fi
    if ! read -r digest stamp 2>/dev/null <"$a1_state/k3s/seen" || [ "$stamp" != "$(a1_k3s_stamp "$a1_k3s")" ]; then
        digest=$(a1_k3s_digest "$a1_k3s")
        # A copy that was put in its place again is another file with the same content.
        if [ -d "$a1_state/k3s" ]; then a1_k3s_see "$digest"; fi
    fi
    echo "$digest"
}

a1_k3s_expected() { # digest of an uploaded binary or nothing: the digest that the binary must have, where it is known
    if [ -n "$1" ]; then echo "$1"; else cat -- "$a1_state/k3s/binary" 2>/dev/null || true; fi
}

a1_k3s_overrides() { # files of the change: what else K3s or its unit would read
    local path
    # Wherever systemd looks, also before it has looked again.
    for path in /etc/rancher/k3s/config.yaml.d/* {/etc,/run}/systemd/system{,.control}/k3s.service.d/* \
        /usr{/local,}/lib/systemd/system/k3s.service.d/*; do
        if [ -e "$path" ] && ! printf '%s\n' "$@" | grep -qxF -- "$path"; then printf '%s\n' "$path"; fi
    done
}

a1_k3s_beside() { # files of the change: pods that no admission sees, other registries, another runtime
    local path agent=/var/lib/rancher/k3s/agent
    for path in "$agent"/pod-manifests/* /etc/rancher/k3s/registries.yaml "$agent"/etc/containerd/*.tmpl; do
        if [ -f "$path" ] && ! printf '%s\n' "$@" | grep -qxF -- "$path"; then printf '%s\n' "$path"; fi
    done
}

a1_k3s_changed() { # files of the change: when the newest of them or the binary was written
    stat -c %Y -- "$a1_k3s" "$@" 2>/dev/null | sort -n | tail -n 1
}

a1_k3s_runs() { # files of the change: succeeds when K3s runs with what is there
    local changed
    changed=$(a1_k3s_changed "$@")
    systemctl is-active --quiet k3s && [ "${changed:-0}" -le "$(a1_entered k3s ExecMainStartTimestamp)" ]
}

a1_k3s_settle() { # files of the change: puts right what needs no restart, and removes what is not ours
    local path
    a1_k3s_private -exec chmod go-rwx {} +
    mkdir -p -- "$a1_state/k3s/overrides"
    # Kept for whoever wrote it, until K3s goes.
    a1_k3s_overrides "$@" | while read -r path; do mv -fT -- "$path" "$a1_state/k3s/overrides/${path//\//%}"; done
    rmdir --ignore-fail-on-non-empty -- "$a1_state/k3s/overrides"
}

a1_k3s_verify() { # digest of an uploaded binary or nothing, then the files of the change
    local expected found path
    expected=$(a1_k3s_expected "$1")
    shift
    found=$(a1_k3s_found)
    if [ -n "$expected" ] && [ "$found" != "$expected" ]; then
        a1_deviation "k3s binary" "sha256 ${expected:0:12}" "sha256 ${found:0:12}" "$(a1_changed "$a1_k3s")"
    fi
    if [ -f "$a1_k3s" ] && [ "$(a1_k3s_access)" != "$a1_k3s_wanted" ]; then
        a1_deviation "k3s binary's mode" "$a1_k3s_wanted" "$(a1_k3s_access)" "$(a1_changed "$a1_k3s")"
    fi
    found=$(systemctl is-active k3s || true)
    if [ "$found" != active ]; then
        a1_deviation "k3s service" active "$found" "$(a1_stopped k3s)"
    elif ! a1_k3s_runs "$@"; then
        a1_deviation "k3s running program" "started after its files were written" "started before" \
            "$(a1_time "$(a1_k3s_changed "$@")")"
    fi
    found=$(systemctl is-enabled k3s 2>/dev/null || true)
    [ "$found" = enabled ] || a1_deviation "k3s at boot" enabled "${found:-absent}"
    a1_k3s_overrides "$@" | while read -r path; do
        a1_deviation "k3s override $path" absent there "$(a1_changed "$path")"
    done
    # For people: a site may have put them there, and whoever wrote them has to say so in `extraFiles`.
    if [ "$a1_verb" = verify ]; then
        a1_k3s_beside "$@" | while read -r path; do
            a1_deviation "k3s reads beside ours" none "$path" "$(a1_changed "$path")"
        done
    fi
    a1_k3s_private -print | while read -r path; do
        a1_deviation "k3s $path" "for root alone" "$(stat -c 'mode %a' -- "$path")" "$(a1_changed "$path")"
    done
}

a1_k3s_verify_images() { # concern, then digest and path of each archive: read again only when touched, as they are large
    local concern=$1 digest path line found lines="" seen="$a1_state/k3s/images"
    shift
    # K3s imports those as well. For people: a site may have put them there.
    if [ "$a1_verb" = verify ]; then
        for path in "$(dirname -- "$2")"/*; do
            if [ -f "$path" ] && ! printf '%s\n' "$@" | grep -qxF -- "$path"; then
                a1_deviation "$concern beside ours" none "$path" "$(a1_changed "$path")"
            fi
        done
    fi
    while [ "$#" -gt 0 ]; do
        digest=$1 path=$2
        shift 2
        if [ ! -f "$path" ]; then
            a1_deviation "$concern" "$path" absent "$(a1_changed "$path")"
            continue
        fi
        line="$digest $(a1_k3s_stamp "$path") $path"
        if ! grep -qsxF -- "$line" "$seen"; then
            found=$(a1_k3s_digest "$path")
            if [ "$found" != "$digest" ]; then
                a1_deviation "$concern" "$path sha256 ${digest:0:12}" "sha256 ${found:0:12}" "$(a1_changed "$path")"
                continue
            fi
        fi
        lines+="$line"$'\n'
    done
    if [ -d "$a1_state/k3s" ]; then printf '%s' "$lines" | a1_keep "$seen"; fi
}

a1_k3s_verify_there() { # concern, files that other resources have put in place: a destroy that was cut may have taken them
    local concern=$1 path
    shift
    for path in "$@"; do
        [ -f "$path" ] || a1_deviation "$concern" "$path" absent "$(a1_changed "$path")"
    done
}
