"""Sessions: how an edge or a bridge brings a client onto the bus, and hears what workers say."""
