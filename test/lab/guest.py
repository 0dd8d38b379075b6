#!/usr/bin/env python3
"""What runs inside a guest namespace of the lab: answers datagrams with the guest's name, probes others, streams numbered datagrams.

    guest.py serve NAME              answers every datagram on port 7777 (IPv4 and IPv6) with NAME and the payload
    guest.py probe                   reads lines {"id", "ip", "timeout_ms"} and answers {"id", "name", "ms"}; name null = silence
    guest.py stream IP INTERVAL_MS   numbered datagrams until end of input; then {"sent", "received", "longest_gap_ms", "missing"}
    guest.py tap INTERFACE           raw frames: "send HEX" sends one, "sync N" answers "synced N" behind all that had come in;
                                     each frame that comes in is a line "got HEX", with its VLAN tag

Standard library only. Started by test/lab/guest.ts.
"""
import json
import os
import select
import socket
import struct
import sys
import time

PORT = 7777
RESEND_S = 0.25

# packet(7)
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
AUXDATA = struct.Struct("=IIIHHHH")


def open_socket(ip):
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def serve(name):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", PORT))
    print("ready", flush=True)
    while True:
        payload, sender = sock.recvfrom(2048)
        try:
            sock.sendto(json.dumps({"name": name}).encode() + b"\n" + payload, sender)
        except OSError:
            pass


def ask(ip, timeout_s):
    """Sends until an answer to this very question comes; a lost datagram is sent again."""
    sock = open_socket(ip)
    end = time.monotonic() + timeout_s
    attempt = 0
    sent = {}
    while time.monotonic() < end:
        attempt += 1
        sent[attempt] = time.monotonic()
        try:
            sock.sendto(b"%d" % attempt, (ip, PORT))
        except OSError:
            pass
        wait = min(RESEND_S, max(0.0, end - time.monotonic()))
        if not select.select([sock], [], [], wait)[0]:
            continue
        try:
            answer, _ = sock.recvfrom(2048)
        except OSError:
            time.sleep(0.05)
            continue
        head, _, echoed = answer.partition(b"\n")
        return json.loads(head)["name"], (time.monotonic() - sent[int(echoed)]) * 1000
    return None, None


def probe():
    for line in sys.stdin:
        question = json.loads(line)
        name, ms = ask(question["ip"], question["timeout_ms"] / 1000)
        print(json.dumps({"id": question["id"], "name": name, "ms": ms}), flush=True)


def stream(ip, interval_ms):
    sock = open_socket(ip)
    interval = interval_ms / 1000
    number, received = 0, {}
    started = time.monotonic()
    due = started
    last_answer, longest_gap = started, 0.0
    ending = None
    print("ready", flush=True)
    while ending is None or time.monotonic() < ending:
        now = time.monotonic()
        if ending is None and now >= due:
            try:
                sock.sendto(b"%d" % number, (ip, PORT))
            except OSError:
                pass
            number += 1
            due += interval
        inputs = [sock] if ending is not None else [sock, sys.stdin]
        until = ending if ending is not None else due
        ready = select.select(inputs, [], [], max(0.0, until - time.monotonic()))[0]
        if sock in ready:
            try:
                answer, _ = sock.recvfrom(2048)
                received[int(answer.rpartition(b"\n")[2])] = True
                now = time.monotonic()
                longest_gap = max(longest_gap, now - last_answer)
                last_answer = now
            except (OSError, ValueError):
                pass
        if sys.stdin in ready and not sys.stdin.readline():
            ending = time.monotonic() + 0.5
    missing = [n for n in range(number) if n not in received]
    print(json.dumps({"sent": number, "received": len(received), "longest_gap_ms": longest_gap * 1000,
                      "missing": missing[:50]}), flush=True)


def receive(sock):
    """One frame that came in, or None when there is none now. The kernel keeps a tag apart from the frame: it is put back."""
    while True:
        try:
            frame, extra, _, sender = sock.recvmsg(65536, socket.CMSG_SPACE(AUXDATA.size))
        except BlockingIOError:
            return None
        if sender[2] == PACKET_OUTGOING:
            continue
        for level, kind, content in extra:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, _ = AUXDATA.unpack(content[:AUXDATA.size])
                if status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", 0x8100, tci) + frame[12:]
        return frame


def tap(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((interface, ETH_P_ALL))
    sock.setblocking(False)

    def drain():
        for frame in iter(lambda: receive(sock), None):
            sys.stdout.write("got " + frame.hex() + "\n")

    print("ready", flush=True)
    pending = b""
    while True:
        ready = select.select([sock, sys.stdin], [], [])[0]
        drain()
        if sys.stdin in ready:
            part = os.read(0, 65536)
            if not part:
                return
            *lines, pending = (pending + part).split(b"\n")
            for line in lines:
                verb, _, value = line.decode().partition(" ")
                if verb == "send":
                    sock.send(bytes.fromhex(value))
                elif verb == "sync":
                    drain()
                    sys.stdout.write("synced " + value + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb == "serve" and len(sys.argv) == 3:
        serve(sys.argv[2])
    elif verb == "probe" and len(sys.argv) == 2:
        probe()
    elif verb == "stream" and len(sys.argv) == 4:
        stream(sys.argv[2], float(sys.argv[3]))
    elif verb == "tap" and len(sys.argv) == 3:
        tap(sys.argv[2])
    else:
        sys.exit(__doc__)
