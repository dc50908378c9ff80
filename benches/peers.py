"""Python's process pools, measured by Python's own clock.

    peers.py serve POOL          answers on standard output what standard input asks:
        begin ROW NUMBER...      prepares a row; "ok" and what to say about it
        round                    runs it once; "ok" and the figures, in seconds
        end                      stops the pool; "ok"
    peers.py start POOL          one start, call and stop in a fresh program; prints seconds
    peers.py memory ITEMS        a slow consumer of Pool.imap; prints bytes: of the
                                 program early and late, of a worker early and late

The rows are those of the benchmark suite, whose texts explain them. Workers are
forked: of the ways that Python has, the fastest.
"""

import array
import collections
import concurrent.futures
import multiprocessing
import sys
import time

FORK = multiprocessing.get_context("fork")


def double(n):
    return n * 2


def length(data):
    return len(data)


def echo(data):
    return data


class Multiprocessing:
    def __init__(self, workers):
        self.pool = FORK.Pool(workers)

    def call(self, function, item):
        return self.pool.apply(function, (item,))

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunksize=chunk)

    def stop(self):
        self.pool.close()
        self.pool.join()


class Executor:
    def __init__(self, workers):
        self.pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=FORK)

    def call(self, function, item):
        return self.pool.submit(function, item).result()

    def map(self, function, items, chunk):
        return list(self.pool.map(function, items, chunksize=chunk))

    def stop(self):
        self.pool.shutdown(wait=True)


POOLS = {"multiprocessing.Pool": Multiprocessing, "ProcessPoolExecutor": Executor}


def seconds(work):
    start = time.perf_counter()
    given = work()
    return time.perf_counter() - start, given


def quantile(samples, q):
    samples = sorted(samples)
    return samples[round(q * (len(samples) - 1))]


def start_call_stop(kind, workers):
    pool = kind(workers)
    assert pool.call(double, 21) == 42
    pool.stop()


class Start:
    def __init__(self, kind, workers, times):
        self.work = lambda: seconds(lambda: start_call_stop(kind, workers))[0]
        self.times = times
        self.remark = ""

    def round(self):
        return [quantile([self.work() for _ in range(self.times)], 0.5)]

    def end(self):
        pass


class OnPool:
    """A row on a pool that stays."""

    def __init__(self, kind, workers):
        self.pool = kind(workers)
        self.remark = ""

    def end(self):
        self.pool.stop()


class Call(OnPool):
    def __init__(self, kind, workers, calls):
        super().__init__(kind, workers)
        self.calls = calls

    def round(self):
        for n in range(self.calls // 10):
            self.pool.call(double, n)
        samples = [seconds(lambda: self.pool.call(double, 1))[0] for _ in range(self.calls)]
        return [quantile(samples, 0.5), quantile(samples, 0.99)]


class Map(OnPool):
    """A map with the chunk size, of those given, that is best here and now."""

    def __init__(self, kind, workers, function, items, check, chunks):
        super().__init__(kind, workers)
        self.function, self.items, self.check = function, items, check
        self.chunk = chunks[0]
        if len(chunks) > 1:
            self.time(chunks[0])
            self.chunk = min(chunks, key=self.time)
        self.remark = f"chunks of {self.chunk:,}"

    def time(self, chunk):
        time_taken, results = seconds(lambda: self.pool.map(self.function, self.items, chunk))
        assert len(results) == len(self.items) and results[-1] == self.check, "wrong results"
        return time_taken

    def round(self):
        return [self.time(self.chunk)]


class Numbers(OnPool):
    def __init__(self, kind, workers, count):
        super().__init__(kind, workers)
        self.values = array.array("d", range(count))
        self.remark = "array.array"

    def round(self):
        time_taken, values = seconds(lambda: self.pool.call(echo, self.values))
        assert values == self.values, "wrong results"
        return [time_taken]


def chunks_for(count, workers):
    """From one item to an equal share, with what Pool.map would choose."""
    sizes = [1, 100, 1_000, 10_000, 50_000, 100_000, count // (workers * 4), count // workers]
    least = count // 1_000
    return sorted({size for size in sizes if max(1, least) <= size <= max(1, count // workers)})


def blocks(count, size):
    """Blocks that are not the same object, so that none is pickled once for two."""
    return [bytes([n % 256]) * size for n in range(count)]


def begin(kind, row, numbers):
    workers, *numbers = numbers
    if row == "start":
        return Start(kind, workers, *numbers)
    if row == "call":
        return Call(kind, workers, *numbers)
    if row == "numbers":
        return Numbers(kind, workers, *numbers)
    count = numbers[0]
    if row == "map":
        chunks = chunks_for(count, workers)
        return Map(kind, workers, double, range(count), count * 2 - 2, chunks)
    if row == "map-one":
        return Map(kind, workers, double, range(count), count * 2 - 2, [1])
    size = numbers[1]
    items = blocks(count, size)
    chunks = chunks_for(count, workers)
    if row == "bytes-in":
        return Map(kind, workers, length, items, size, chunks)
    if row == "bytes-echo":
        return Map(kind, workers, echo, items, items[-1], chunks)
    raise ValueError(f"there is no row {row}")


def serve(kind):
    row = None
    for line in sys.stdin:
        word, *words = line.split()
        try:
            said = ""
            if word == "begin":
                row = begin(kind, words[0], [int(number) for number in words[1:]])
                said = row.remark
            elif word == "round":
                said = " ".join(repr(figure) for figure in row.round())
            elif word == "end":
                row.end()
                row = None
            print("ok", said, flush=True)
        except Exception as error:
            print("failed:", repr(error).replace("\n", " "), flush=True)


def peak_memory(pid):
    with open(f"/proc/{pid}/status") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    return int(kib) * 1024


def memory(count):
    """Takes a result every three microseconds: Python could not do it in one."""
    with FORK.Pool(2) as pool:
        pids = [process.pid for process in multiprocessing.active_children()]
        figures = collections.deque()
        start = time.perf_counter()
        for n, result in enumerate(pool.imap(double, range(count), chunksize=1_000)):
            assert result == n * 2
            if n + 1 in (count // 2, count):
                figures.append((peak_memory("self"), max(map(peak_memory, pids))))
            while time.perf_counter() - start < n * 3e-6:
                pass
    (early, worker_early), (late, worker_late) = figures
    print(early, late, worker_early, worker_late)


def main():
    task, argument = sys.argv[1:]
    if task == "serve":
        serve(POOLS[argument])
    elif task == "start":
        print(seconds(lambda: start_call_stop(POOLS[argument], 2))[0])
    elif task == "memory":
        memory(int(argument))


if __name__ == "__main__":
    main()
