# What of sysctl.d wins over ours at boot. Runs inside the host change script, whose library is at hand.
# shellcheck shell=bash
# As systemd-sysctl reads them: of one name the file in /etc, /run, /usr/local/lib or /usr/lib alone, all in the
# order of their names. The last assignment of a key wins; a key that is named wins over patterns, also over later
# ones (sysctl.d(5)).
a1_sysctl_wins() { # our file: prints parameter, value, what it would be at boot instead, file and line that say so
    local key value locked file text name number found glob live later own=${1##*/}
    local -a names words
    local -A files=() table=() globs=() wanted=() won=() loose=()
    while read -r key value locked; do
        case "$key" in
        *"*"*) globs[${key//.//}]="$value ${locked:-$value}" ;;
        *) table[${key//.//}]="$value ${locked:-$value}" ;;
        esac
    done < <(a1_sysctl_table)
    for file in {/usr/lib,/usr/local/lib,/run,/etc}/sysctl.d/*.conf; do
        if [ -e "$file" ]; then files[${file##*/}]=$file; fi
    done
    mapfile -t names < <(printf '%s\n' "${!files[@]}" | sort)
    for name in "${names[@]}"; do
        if [ -z "$name" ] || [ "$name" = "$own" ]; then continue; fi
        later="" number=0 file=${files[$name]}
        if [[ "$name" > "$own" ]]; then later=yes; fi
        while read -r text || [ -n "$text" ]; do
            number=$((number + 1))
            case "$text" in "" | "#"* | ";"*) continue ;; esac
            # Without a value: kept from patterns, and from whatever an earlier line has said.
            value="left alone"
            case "$text" in
            *=*) read -ra words <<<"${text#*=}" && value="${words[*]:-nothing}" ;;
            -*) ;;
            *) continue ;;
            esac
            key=${text%%=*} key=${key//[[:space:]]/} key=${key#-}
            # The first separator says which of the two separates, the other is part of an interface's name.
            case "${key//[!.\/]/}" in .*) key=${key//./%} key=${key//\//.} key=${key//%//} ;; esac
            key=${key#/} found="$value"$'\t'"$file:$number"
            if [ -z "$key" ]; then continue; fi
            case "$key" in
            *[*?[]*)
                if [ -z "$later" ]; then continue; fi
                while read -r live; do
                    live=${live#/proc/sys/}
                    for glob in "${!globs[@]}"; do
                        # shellcheck disable=SC2053 # a pattern
                        if [[ "$live" == $glob ]]; then loose[$live]=$found wanted[$live]=${globs[$glob]}; fi
                    done
                done < <(compgen -G "/proc/sys/$key" || true)
                ;;
            *)
                if [ -n "$later" ] && [ -n "${table[$key]:-}" ]; then
                    won[$key]=$found wanted[$key]=${table[$key]}
                fi
                for glob in "${!globs[@]}"; do
                    # shellcheck disable=SC2053 # a pattern
                    if [[ "$key" == $glob ]]; then won[$key]=$found wanted[$key]=${globs[$glob]}; fi
                done
                ;;
            esac
        done <"$file"
    done
    for key in "${!loose[@]}"; do won[$key]=${won[$key]:-${loose[$key]}}; done
    for key in "${!won[@]}"; do
        read -r value locked <<<"${wanted[$key]}"
        found=${won[$key]%%$'\t'*}
        [ "$found" = "$value" ] || [ "$found" = "$locked" ] ||
            printf '%s\t%s\t%s\t%s\n' "$(a1_sysctl_key "$key")" "$value" "$found" "${won[$key]#*$'\t'}"
    done | sort
}
