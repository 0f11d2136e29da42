"""The platform's promises as data, and the rules, dashboards and escalation that follow from them."""
