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
