# Whether `sessions --json` holds exactly the sessions of $expected, a golden case, in any order.
# What the agent tells beyond the case (machine, anomalies, …) is left out of the comparison.
($expected[0][0] | keys - ["dossier"]) as $keys
| def compared: map(. as $session | $keys | map({ key: ., value: $session[.] }) | from_entries) | sort;
compared == ($expected[0] | compared)
