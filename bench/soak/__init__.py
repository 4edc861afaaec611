"""Half an hour of clients that come, go, stall and break off: does the server stay as it was, and who notices?"""
