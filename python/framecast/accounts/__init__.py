"""Who is asking: identities, and the gate that every request passes."""
