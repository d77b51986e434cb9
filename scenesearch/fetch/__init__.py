"""Photos from addresses that strangers name, without reaching anything but public web servers."""
