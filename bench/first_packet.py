#!/usr/bin/env python3
"""Says when the first packet of a port passes: asks by ARP for a neighbour until the answer comes.

Reads lines {"device", "mac", "ip", "target"}; answers {"sending": true} once the first question has gone out (so that the switch
has cached its drop), then {"first_ms"}: CLOCK_MONOTONIC of the first answer in milliseconds, or null after 10 s. Standard library
only. Started by bench/first-packet.ts.
"""
import json
import select
import socket
import struct
import sys
import time

ETH_P_ARP = 0x0806
EVERY_S = 0.0005
GIVE_UP_S = 10.0


def ask(device, mac, ip, target):
    hardware = bytes.fromhex(mac.replace(":", ""))
    question = (b"\xff" * 6 + hardware + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
                + hardware + socket.inet_aton(ip) + bytes(6) + socket.inet_aton(target))
    wanted = socket.inet_aton(target)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as sock:
        sock.bind((device, ETH_P_ARP))
        sock.setblocking(False)
        start = time.monotonic()
        told = False
        while time.monotonic() - start < GIVE_UP_S:
            sock.send(question)
            if not told and time.monotonic() - start > 0.02:
                print(json.dumps({"sending": True}), flush=True)
                told = True
            if not select.select([sock], [], [], EVERY_S)[0]:
                continue
            frame = sock.recv(2048)
            if frame[20:22] == b"\x00\x02" and frame[28:32] == wanted:
                return time.monotonic() * 1000
    return None


for line in sys.stdin:
    print(json.dumps({"first_ms": ask(**json.loads(line))}), flush=True)
