package lib.quantity_test

import data.lib.quantity

test_a_small_m_is_a_thousandth {
	quantity.value("100m") == 0.1
}

test_a_number_is_itself {
	quantity.value(2) == 2
	quantity.value("1.5") == 1.5
}

test_an_i_makes_powers_of_two {
	quantity.value("1Gi") == 1073741824
	quantity.value("1G") == 1000000000
}

test_the_same_amount_is_equal_however_it_is_written {
	quantity.value("1024Mi") == quantity.value("1Gi")
	quantity.value("1000m") == quantity.value("1")
}

test_an_exponent_is_a_power_of_ten {
	quantity.value("64e6") == quantity.value("64M")
	quantity.value("64E6") == 64000000
	quantity.value("5e-1") == quantity.value("500m")
}

test_an_e_without_a_number_is_exa {
	quantity.value("1E") == 1000000000000000000
}

test_what_is_no_quantity_has_no_value {
	not quantity.value("plenty")
	not quantity.value("")
	not quantity.value(null)
}
