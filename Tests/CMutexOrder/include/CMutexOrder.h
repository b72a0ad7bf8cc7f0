// Nothing to call: what stands in front of Swift's own functions is found by its name.
