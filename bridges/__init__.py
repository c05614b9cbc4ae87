"""Connections to other people's servers: one package per server, such as a messenger.

A bridge turns what happens there into sessions on the bus, as an edge does for its clients.
"""
