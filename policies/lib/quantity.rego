# Kubernetes quantities as numbers.
package lib.quantity

# `units.parse` reads a small m as milli and Ki, Mi, Gi as powers of two, as Kubernetes does.
value(quantity) = units.parse(sprintf("%v", [quantity]))
