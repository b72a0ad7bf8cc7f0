#!/usr/bin/env python3
"""Verifies a ledger of Domicile, from the specifications alone: it shares no code with Domicile.

RFC 9162, section 2.1 (Merkle trees), C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof; RFC 8032 (Ed25519).

    verify_ledger.py entries DIRECTORY CHECKPOINT KEY      all entries of directory.sqlite are those of the checkpoint
    verify_ledger.py proof PROOF KEY                       the entry of a tlog-proof is in the ledger of its checkpoint
    verify_ledger.py request REQUEST OLD-CHECKPOINT KEY    what a witness is sent continues an older checkpoint
    verify_ledger.py cosign CHECKPOINT SEED                answers as a witness does, with a key from 64 hexadecimal digits
"""

import base64
import hashlib
import sqlite3
import sys
import time

# Ed25519, RFC 8032, section 6: slow, and short enough to be read.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    if x2 % P == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def add(a, b):
    f, g = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, h, m, n = g - f, d - c, d + c, g + f
    return (e * h % P, m * n % P, h * m % P, e * n % P)


def times(k, point):
    result = (0, 1, 1, 0)
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def compress(point):
    z = pow(point[2], P - 2, P)
    x, y = point[0] * z % P, point[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (1 << 255) - 1, y >> 255)
    y &= (1 << 255) - 1
    return None if x is None else (x, y, 1, x * y % P)


def sha512_mod(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % L


def ed25519_verify(public, message, signature):
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = sha512_mod(signature[:32] + public + message)
    return same(times(s, BASE), add(r, times(h, a)))


def ed25519_key(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    return a, h[32:], compress(times(a, BASE))


def ed25519_sign(seed, message):
    a, prefix, public = ed25519_key(seed)
    r = sha512_mod(prefix + message)
    big_r = compress(times(r, BASE))
    return big_r + ((r + sha512_mod(big_r + public + message) * a) % L).to_bytes(32, "little")


# Merkle trees.


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves):
    stack = []  # (height, hash) of complete subtrees
    for leaf in leaves:
        height, value = 0, leaf
        while stack and stack[-1][0] == height:
            value = node_hash(stack.pop()[1], value)
            height += 1
        stack.append((height, value))
    if not stack:
        return hashlib.sha256(b"").digest()
    value = stack.pop()[1]
    while stack:
        value = node_hash(stack.pop()[1], value)
    return value


def root_from_inclusion(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise ValueError("no such entry")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise ValueError("the proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("the proof is too short")
    return r


def roots_from_consistency(first, second, first_root, path):
    """RFC 9162, section 2.1.4.2: the roots of both trees."""
    if first == second:
        if path:
            raise ValueError("the proof is too long")
        return first_root, first_root
    path = ([first_root] if first & first - 1 == 0 else []) + path
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    if not path:
        raise ValueError("the proof is too short")
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise ValueError("the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("the proof is too short")
    return fr, sr


# Notes.


def parse_key(text):
    name, identity, data = text.strip().split("+", 2)
    data = base64.b64decode(data, validate=True)
    digest = hashlib.sha256(name.encode() + b"\n" + data).digest()
    if digest[:4].hex() != identity:
        raise ValueError("the key's id is not that of the key")
    return name, digest[:4], data


def open_checkpoint(note, key):
    """The size and the root, if the key has signed them."""
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    name, identity, data = parse_key(key)
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob, validate=True)
        if dash != "—" or signer != name or blob[:4] != identity:
            continue
        if data[0] != 1 or not ed25519_verify(data[1:], text.encode(), blob[4:]):
            raise ValueError("the signature is not valid")
        origin, size, value = text.splitlines()[:3]
        if origin != name:
            raise ValueError("the checkpoint is another log's")
        return int(size), base64.b64decode(value, validate=True)
    raise ValueError("the key has not signed it")


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def check_entries(directory, checkpoint, key):
    size, expected = open_checkpoint(read(checkpoint), key)
    connection = sqlite3.connect(directory)
    leaves = []
    for number, stored, text in connection.execute("SELECT id, hash, text FROM entry ORDER BY id"):
        if number != len(leaves):
            raise ValueError(f"the entry {len(leaves)} is missing")
        if text is not None and leaf_hash(text.encode()) != stored:
            raise ValueError(f"the text of the entry {number} is not that of its hash")
        leaves.append(stored)
    if size > len(leaves) or root(leaves[:size]) != expected:
        raise ValueError("the entries are not those of the checkpoint")


def check_proof(path, key):
    proof, checkpoint = read(path).split("\n\n", 1)
    lines = proof.split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise ValueError("this is no proof")
    if not lines[0].startswith("extra "):
        raise ValueError("the proof has no entry")
    entry = base64.b64decode(lines.pop(0)[6:], validate=True)
    word, index = lines.pop(0).split(" ")
    if word != "index":
        raise ValueError("the proof has no index")
    size, expected = open_checkpoint(checkpoint, key)
    path = [base64.b64decode(line, validate=True) for line in lines]
    if root_from_inclusion(int(index), size, leaf_hash(entry), path) != expected:
        raise ValueError("the entry is not in the ledger of the checkpoint")


def check_request(request, old, key):
    proof, checkpoint = read(request).split("\n\n", 1)
    lines = proof.split("\n")
    old_size, old_root = open_checkpoint(read(old), key)
    size, new_root = open_checkpoint(checkpoint, key)
    if lines.pop(0) != f"old {old_size}":
        raise ValueError("the request is about another size")
    path = [base64.b64decode(line, validate=True) for line in lines]
    if roots_from_consistency(old_size, size, old_root, path) != (old_root, new_root):
        raise ValueError("the ledger does not continue the older checkpoint")


def cosign(checkpoint, seed):
    text = read(checkpoint).rsplit("\n\n", 1)[0] + "\n"
    seed = bytes.fromhex(seed)
    public = ed25519_key(seed)[2]
    name, data = "witness.example/test", b"\4" + public
    identity = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    now = int(time.time())
    message = f"cosignature/v1\ntime {now}\n{text}".encode()
    blob = identity + now.to_bytes(8, "big") + ed25519_sign(seed, message)
    print(f"{name}+{identity.hex()}+{base64.b64encode(data).decode()}", file=sys.stderr)
    print(f"— {name} {base64.b64encode(blob).decode()}")


if __name__ == "__main__":
    commands = {"entries": check_entries, "proof": check_proof, "request": check_request, "cosign": cosign}
    try:
        commands[sys.argv[1]](*sys.argv[2:])
    except ValueError as problem:
        sys.exit(f"rejected: {problem}")
    if sys.argv[1] != "cosign":
        print("accepted")
