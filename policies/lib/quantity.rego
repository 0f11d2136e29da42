# Kubernetes quantities as numbers; undefined for what is none, so a policy asks what must hold, never what must not.
package lib.quantity

# `units.parse` reads a small m as milli and Ki, Mi, Gi as powers of two, as Kubernetes does.
value(quantity) = units.parse(text) {
	text := sprintf("%v", [quantity])
	not has_exponent(text)
}

# It knows no exponent, which `to_number` reads; an E that ends the quantity is exa.
value(quantity) = to_number(text) {
	text := sprintf("%v", [quantity])
	has_exponent(text)
}

has_exponent(text) {
	regex.match(`[eE][+-]?[0-9]+$`, text)
}
