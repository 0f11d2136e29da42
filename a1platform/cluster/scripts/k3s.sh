# What installs and starts K3s on one node. Runs inside the host change script, whose library is at hand.
# shellcheck shell=bash
a1_k3s=/usr/local/bin/k3s
a1_k3s_wanted="755 root:root"
# Else kubectl keeps what it has discovered in root's home.
export KUBECACHEDIR=/run/k3s/kubectl
a1_k3s_kept=/var/lib/a1/k3s/last-good

a1_k3s_digest() {
    if [ -f "$1" ]; then sha256sum <"$1" | cut -d' ' -f1; else echo absent; fi
}

a1_k3s_get() { # url, file
    if command -v curl >/dev/null; then
        # A server that falls silent in the middle closes no connection.
        curl --fail --silent --show-error --location --retry 3 --connect-timeout 15 --speed-limit 1 --speed-time 30 \
            --output "$2" -- "$1"
    elif command -v wget >/dev/null; then
        wget --quiet --tries=3 --timeout=30 --output-document="$2" -- "$1"
    else
        a1_fail "download of $1: found neither curl nor wget, expected one of them (or a bundle: docs/bundle.md)"
    fi
}

a1_k3s_download() { # release url, version, digest or nothing: verified before anything on the host is changed
    local arch=amd64 suffix="" expected=$3 work found
    if [ "$(uname -m)" = aarch64 ]; then arch=arm64 suffix=-arm64; fi
    if [ -n "$expected" ] && [ "$(a1_k3s_digest "$a1_k3s")" = "$expected" ]; then return; fi
    if [ -z "$expected" ] && [ "$(a1_k3s_digest "$a1_k3s")" = "$(a1_k3s_expected "")" ] &&
        "$a1_k3s" --version 2>/dev/null | grep -qF "k3s version $2 "; then
        return
    fi
    # Below the change's record, so that it goes when the change does. A run that was cut has left its part.
    work="$a1_state/k3s/download"
    rm -rf -- "$work"
    mkdir -p -- "$work"
    if ! found=$(a1_k3s_fetch "$1/${2//+/%2B}" "$2" "$arch" "k3s$suffix" "$expected" "$work"); then
        rm -rf -- "$work"
        a1_fail "K3s $2 from $1: $found. Nothing was changed; put it right, then run up again."
    fi
    chmod 755 "$work/k3s"
    mv -fT -- "$work/k3s" "$a1_state/k3s/verified"
    rm -rf -- "$work"
}

a1_k3s_fetch() { # url, version, architecture, file, digest or nothing, folder: prints what went wrong
    local expected=$5 found
    if [ -z "$expected" ]; then
        if ! found=$(a1_k3s_get "$1/sha256sum-$3.txt" "$6/sums" 2>&1); then
            echo "could not download sha256sum-$3.txt: $found"
            return 1
        fi
        expected=$(awk -v name="$4" '$2 == name { print $1 }' "$6/sums")
        if [ -z "$expected" ]; then
            echo "found no digest of $4 in sha256sum-$3.txt, expected one"
            return 1
        fi
    fi
    if ! found=$(a1_k3s_get "$1/$4" "$6/k3s" 2>&1); then
        echo "could not download $4: $found"
        return 1
    fi
    found=$(a1_k3s_digest "$6/k3s")
    if [ "$found" != "$expected" ]; then
        echo "$4: found sha256 $found, expected $expected"
        return 1
    fi
}

a1_k3s_claim() { # uploads' records: a binary that came from a bundle stays when the bundle goes
    local record
    for record in "$1"/*/; do
        if grep -qs " $a1_k3s\$" "$record/files"; then rm -rf -- "$record"; fi
    done
}

a1_k3s_place() { # makes a verified download the installed binary, and the names that it answers to
    local name
    if [ -f "$a1_state/k3s/verified" ]; then
        mv -fT -- "$a1_state/k3s/verified" "$a1_k3s"
    fi
    if [ "$(a1_k3s_access)" != "$a1_k3s_wanted" ]; then
        chown -- "${a1_k3s_wanted#* }" "$a1_k3s"
        chmod -- "${a1_k3s_wanted% *}" "$a1_k3s"
    fi
    for name in kubectl crictl ctr; do
        if [ ! -e "/usr/local/bin/$name" ]; then ln -sfn k3s "/usr/local/bin/$name"; fi
    done
    mkdir -p /var/lib/rancher/k3s/server/logs
}

a1_k3s_dns() { # succeeds once the cluster's DNS answers for the API server's name
    local query='\x00\x36\x41\x31\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00'
    query+='\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01'
    # Over TCP, two bytes of length first. Bytes 9 and 10 of the answer count its records.
    # shellcheck disable=SC2016 # the inner shell expands them
    timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/53"; printf "$1" >&3; head -c 10 <&3' "$1" "$query" 2>/dev/null |
        od -An -tu1 | awk 'NF == 10 { answers = $9 * 256 + $10 } END { exit !(answers > 0) }'
}

a1_k3s_wait() { # what, seconds, then the test
    local what=$1 until=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        # It tells systemd that it is ready before the kubelet has started, so it can still end in a loop.
        if [ "$(systemctl show k3s --property NRestarts --value)" -ge 2 ]; then
            echo "K3s: it ended again and again while $what was awaited" >&2 || true
            return 1
        fi
        if [ "$SECONDS" -ge "$until" ]; then
            echo "K3s: $what did not come within the time limit" >&2 || true
            return 1
        fi
        sleep 0.5
    done
}

a1_k3s_node_ready() { # node name, second of the start: Ready, said by a kubelet that has begun since
    # Asks as the kubelet itself, which every node can.
    local kubelet=/var/lib/rancher/k3s/agent/kubelet.kubeconfig status heard
    local wanted='jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}'
    read -r status heard <<<"$("$a1_k3s" kubectl --kubeconfig "$kubelet" get node "$1" -o "$wanted")"
    # Without a kubelet, as with a flannel that finds no interface, the store says for 40 s what was so before. A
    # kubelet reports once when it begins.
    [ "$status" = True ] && [ "$(date --date "$heard" +%s)" -ge "$2" ]
}

a1_k3s_ready() { # node name, seconds, second of the start
    a1_k3s_wait "node $1 Ready" "$2" a1_k3s_node_ready "$1" "$3"
}

a1_k3s_start() { # node name, seconds
    local begun
    systemctl daemon-reload
    systemctl enable --quiet k3s
    # Else the starts that we ask for count against the limit of those that systemd makes by itself.
    systemctl reset-failed k3s 2>/dev/null || true
    begun=$(date +%s)
    systemctl restart k3s && a1_k3s_ready "$@" "$begun"
}

a1_k3s_await() { # as a1_k3s_start, for K3s that has been started with what is there
    # How often it has ended before says nothing: at boot it may have come before what it needs.
    systemctl reset-failed k3s 2>/dev/null || true
    a1_k3s_ready "$@" "$(a1_entered k3s ExecMainStartTimestamp)"
}

a1_k3s_report() { # why a start failed, for the person who reads the error; tokens never reach the journal's text
    # Where that one is gone, what is to come back comes back all the same.
    echo "K3s did not become ready; the last lines of its journal:" >&2 || true
    # Each once, without its time: some are said every second, and hide the one that tells why.
    journalctl --unit k3s --lines 400 --no-pager --output cat 2>/dev/null |
        grep -E 'level=(error|fatal)|^E[0-9]{4}|[Ff]ailed|invalid|unknown|is not ready:' |
        sed 's/^time="[^"]*" //' | awk '!seen[$0]++' | tail -n 15 | cut -c1-400 >&2 || true
    journalctl --unit k3s --lines 5 --no-pager --output cat 2>/dev/null | cut -c1-400 >&2 || true
}

a1_k3s_keep() { # the files that K3s is known to start with, and the binary
    local file binary="$a1_k3s_kept~/${a1_k3s//\//%}"
    a1_keep "$a1_state/k3s/kept" <"$a1_state/k3s/binary"
    rm -rf -- "$a1_k3s_kept~"
    mkdir -p "$a1_k3s_kept~"
    for file in "$@"; do cp -a -- "$file" "$a1_k3s_kept~/${file//\//%}"; done
    # A second name costs nothing and outlives a replacement, which is always by a rename. What does not fit on the
    # disk is no reason to fail: K3s runs.
    ln -- "$a1_k3s" "$binary" 2>/dev/null || cp -a -- "$a1_k3s" "$binary" || rm -f -- "$binary"
    rm -rf -- "$a1_k3s_kept"
    mv -T -- "$a1_k3s_kept~" "$a1_k3s_kept"
}

a1_k3s_kept_digest() { # of the binary that K3s is known to start with; that of the newest may be another
    cat -- "$a1_state/k3s/kept" 2>/dev/null || true
}

a1_k3s_known() { # files of the change: succeeds when K3s has worked with what is there and no more, and that is kept
    local path digest
    for path in "$a1_k3s" "$@"; do cmp -s -- "$path" "$a1_k3s_kept/${path//\//%}" || return 1; done
    # Which two names of one file say nothing of.
    digest=$(a1_k3s_digest "$a1_k3s")
    [ "$digest" = "$(a1_k3s_expected "")" ] && [ "$digest" = "$(a1_k3s_kept_digest)" ] && ! a1_k3s_dropped "$@"
}

a1_k3s_dropped() { # files of the change: succeeds when K3s was last ready with one that is declared no more
    local entry path
    for entry in "$a1_k3s_kept"/*; do
        path=$(basename -- "$entry")
        path=${path//%//}
        if [ -e "$entry" ] && ! printf '%s\n' "$a1_k3s" "$@" | grep -qxF -- "$path"; then return 0; fi
    done
    return 1
}

a1_k3s_return() { # files of the change: puts back what K3s is known to start with, and nothing that came later
    local entry path
    for path in "$@"; do
        entry="$a1_state/k3s/files/${path//\//%}/original"
        if [ -e "$a1_k3s_kept/${path//\//%}" ]; then continue; fi
        rm -f -- "$path"
        # There before our first apply, so K3s last started with it.
        if [ -e "$entry" ]; then cp -a -- "$entry" "$path"; fi
    done
    for entry in "$a1_k3s_kept"/*; do
        path=$(basename -- "$entry")
        path=${path//%//}
        if [ "$path" = "$a1_k3s" ]; then
            # A second name is the same file when it was written in place, so its content says nothing of before.
            if [ "$(a1_k3s_digest "$entry")" != "$(a1_k3s_kept_digest)" ]; then continue; fi
            a1_k3s_kept_digest | a1_keep "$a1_state/k3s/binary"
        else
            # One that is declared no more has lost its record with its file: a later apply must know it.
            a1_record k3s "$path"
        fi
        mkdir -p -- "$(dirname -- "$path")"
        rm -f -- "$path.a1-new"
        cp -a -- "$entry" "$path.a1-new"
        mv -fT -- "$path.a1-new" "$path"
    done
}

a1_k3s_apply() { # node name, seconds, then the files of the change
    local node=$1 seconds=$2 digest begin=a1_k3s_start
    shift 2
    a1_k3s_place
    systemctl enable --quiet k3s
    # No file that is there tells by its time of one that is not.
    if [ -z "$(a1_k3s_overrides "$@")" ] && a1_k3s_runs "$@" && ! a1_k3s_dropped "$@"; then
        if a1_k3s_known "$@"; then
            a1_k3s_settle "$@"
            a1_k3s_see "$(a1_k3s_digest "$a1_k3s")"
            return
        fi
        # A run that was cut has started it, or found no room to keep what it had learnt.
        begin=a1_k3s_await
    fi
    a1_k3s_settle "$@"
    "$begin" "$node" "$seconds" || a1_k3s_refuse "$node" "$seconds" "$@"
    # Again, as it has written its own meanwhile.
    a1_k3s_settle "$@"
    digest=$(a1_k3s_digest "$a1_k3s")
    echo "$digest" | a1_keep "$a1_state/k3s/binary"
    a1_k3s_see "$digest"
}

a1_k3s_confirm() { # node name, seconds, address of the DNS, then the files of the change: keeps what is known to work
    local node=$1 seconds=$2 dns=$3
    shift 3
    # As in an await: this may be another run than the one that has started it.
    systemctl reset-failed k3s 2>/dev/null || true
    a1_k3s_wait "an answer of the cluster's DNS" "$seconds" a1_k3s_dns "$dns" ||
        a1_k3s_refuse "$node" "$seconds" "$@"
    a1_k3s_settle "$@"
    if a1_k3s_known "$@"; then return; fi
    a1_k3s_keep "$@"
    # Last, as another name of the binary changes its times.
    a1_k3s_see "$(a1_k3s_digest "$a1_k3s")"
}

a1_k3s_refuse() { # node name, seconds, then the files of the change: fails, with what was known to work back in place
    local node=$1 seconds=$2
    shift 2
    a1_k3s_report
    if [ ! -d "$a1_k3s_kept" ]; then
        systemctl stop k3s || true
        a1_fail "K3s is stopped: it has never been ready on this node. Correct the settings, then run up again."
    fi
    a1_k3s_return "$@"
    if a1_k3s_start "$node" "$seconds"; then
        a1_fail "K3s runs with its previous configuration again. Correct the settings, then run up again."
    fi
    a1_fail "K3s does not start with its previous configuration either: see journalctl --unit k3s on the node."
}
