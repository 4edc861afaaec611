"""The Centrifuge client protocol v2, sans-io: messages, codes and codecs. No clock, no socket, no Trio."""
