"""The ground floor: values, errors, conditions, swap points and the names of what is stored."""
