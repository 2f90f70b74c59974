"""A line with a delay, for a network namespace of its own: what is sent to 10.9.0.1 arrives at 10.9.0.2, this
namespace itself, after SECONDS, and what is answered to it goes back as late. For the kernels without netem.

  unshare --net python3 distant_line.py SECONDS

Says "ready" and works until it is killed. A packet goes out by a device and comes in by it again with its two
addresses exchanged, which leaves all checksums right.
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

delay = float(sys.argv[1])
device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"distant", IFF_TUN | IFF_NO_PI))
for command in (
    "link set lo up",
    "address add 10.9.0.2/30 dev distant",
    "link set distant txqueuelen 10000 up",
):
    subprocess.run(["ip", *command.split()], check=True)
print("ready", flush=True)

waiting = collections.deque()
while True:
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        os.write(device, waiting.popleft()[1])
    left = max(0.0, waiting[0][0] - now) if waiting else None
    if not select.select([device], [], [], left)[0]:
        continue
    try:
        while True:
            packet = bytearray(os.read(device, 65536))
            if packet[0] >> 4 == 4:
                packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
                waiting.append((time.monotonic() + delay, bytes(packet)))
    except BlockingIOError:
        pass
