"""The Universal Commerce Protocol: what agents of shoppers ask of any shop's catalogue."""
