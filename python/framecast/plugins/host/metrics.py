"""What is counted about backend plugins. No label is a plugin's name."""

from prometheus_client import Counter, Gauge

RUNNING = Gauge("framecast_plugins_running", "Backend plugins that are started and healthy.")
ENDS = Counter("framecast_plugin_ends", "Processes of backend plugins that ended while they should not.", ["reason"])
CALLS = Counter("framecast_plugin_calls", "Calls to backend plugins, by how they ended.", ["method", "status"])
PACKETS = Counter("framecast_plugin_packets", "Packets of running streams that were taken from backend plugins.")
LINES_LEFT_OUT = Counter("framecast_plugin_lines_left_out", "Lines of backend plugins' output that were not logged.")
