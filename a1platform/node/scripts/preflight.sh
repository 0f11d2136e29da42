# Compares the facts in $a1_facts with what is required; one line per problem, exit 1 if there is one.
a1_fact() { # key
    sed -n "s/^$1=//p" <<<"$a1_facts" | head -n 1
}

a1_one_of() { # key, subject, accepted values...
    local found accepted key=$1 subject=$2
    shift 2
    accepted=$*
    found=$(a1_fact "$key")
    case " $* " in *" $found "*) return ;; esac
    printf '%s: found %s, expected %s\n' "$subject" "${found:-nothing}" "${accepted// / or }"
}

a1_at_least() { # key, subject, minimum
    local found
    found=$(a1_fact "$1")
    [ "${found:-0}" -ge "$3" ] 2>/dev/null || printf '%s: found %s, expected at least %s\n' "$2" "${found:-nothing}" "$3"
}

a1_free_disk() { # minimum, minimum where our own K3s has filled it already
    local problem subject='free disk under /var/lib in MiB'
    if [ "$(a1_fact k3s_is_ours)" = yes ]; then
        problem=$(a1_at_least disk_mib "$subject" "$2")
        [ -z "$problem" ] || printf '%s, which an upgrade takes where our own K3s is already: free some of it (`df -h`)\n' "$problem"
    else
        a1_at_least disk_mib "$subject" "$1"
    fi
}

a1_none() { # key, subject
    local found
    found=$(a1_fact "$1")
    [ -z "${found// /}" ] || printf '%s: found %s, expected none\n' "$2" "${found% }"
}

a1_no_data() { # nothing that K3s would take for its own
    local found
    found=$(a1_fact k3s_data)
    [ -z "${found// /}" ] || printf 'data of another K3s: found %s, expected none: K3s would adopt it and `make down` delete it; take it away or move it first\n' "${found% }"
}

a1_no_firewall() { # none beside ours
    local found
    found=$(a1_fact other_firewalls)
    [ -z "${found// /}" ] || printf 'another firewall: found %s switched on, expected none: its rules drop what pods send; switch it off (`ufw disable`, `systemctl disable --now firewalld`), or ours by hardening.firewall and let it pass pods and Services\n' "${found% }"
}

a1_free_ports() { # fact, subject, ports...: our own K3s may hold them
    local port taken="" listening subject=$2
    if [ "$(a1_fact k3s_is_ours)" = yes ]; then
        # Its tunnel's interface stays when K3s is stopped, so that pods go on.
        if [ "$1" = listening_udp ] || [ "$(a1_fact k3s_runs)" = yes ]; then return; fi
    fi
    listening=" $(a1_fact "$1") "
    shift 2
    for port in "$@"; do
        case "$listening" in *" $port "*) taken="$taken $port" ;; esac
    done
    [ -z "$taken" ] || printf '%s: found a listener on%s, expected them free for K3s\n' "$subject" "$taken"
}
