/* flood - sends a great many bad datagrams, at a steady rate, the same ones for the same seed.
 *
 *   flood ADDRESS PORT COUNT PER_SECOND SEED [CORPUS]
 *
 * CORPUS holds genuine datagrams, each after its length (two bytes, big-endian). A quarter
 * of what is sent is noise; a quarter is noise behind a first byte that means something; the
 * rest are genuine datagrams with something changed: bits, words, length, or two spliced into
 * one. One in 16 of these is sent as it was: a replay from a stranger's address.
 *
 * Prints one line: sent N bytes N replies N reply_bytes N
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 1400, BATCH = 32, MOST_SAMPLES = 4096, CORPUS_LIMIT = 8 << 20 };

static uint64_t state;
static unsigned char corpus[CORPUS_LIMIT];
static struct sample { unsigned char *at; uint32_t length; } samples[MOST_SAMPLES];
static uint32_t sample_count;

/* splitmix64: any seed will do, and the same seed tells the same story. */
static uint64_t chance(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t limit) { return limit ? chance() % limit : 0; }

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void read_corpus(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) { perror(path); exit(1); }
    size_t size = fread(corpus, 1, sizeof corpus, file);
    fclose(file);
    for (size_t at = 0; at + 2 <= size && sample_count < MOST_SAMPLES;) {
        size_t length = corpus[at] << 8 | corpus[at + 1];
        if (length > LARGEST || at + 2 + length > size) break;
        samples[sample_count++] = (struct sample){ corpus + at + 2, length };
        at += 2 + length;
    }
}

static uint32_t noise(unsigned char *out)
{
    uint32_t length = below(below(4) ? 200 : LARGEST + 1);   /* most real ones are short */
    for (uint32_t i = 0; i < length; i += 8) {
        uint64_t word = chance();
        memcpy(out + i, &word, 8);                           /* slots have room for the last word */
    }
    return length;
}

/* Noise that gets past the first look: our own types, QUIC's header bits, STUN's magic cookie. */
static uint32_t plausible_noise(unsigned char *out)
{
    static const unsigned char stun[] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
    uint32_t length = noise(out);
    if (length < sizeof stun) length = sizeof stun;
    switch (below(4)) {
    case 0: memcpy(out, stun, sizeof stun); out[3] = below(2) ? below(256) : length - 20; break;
    case 1: out[0] = 0x40 | below(0x40); break;
    case 2: out[0] = 0xc0 | below(0x40); break;
    default: out[0] = 0x10 | below(0x10); break;
    }
    return length;
}

static uint32_t mutation(unsigned char *out)
{
    const struct sample *sample = &samples[below(sample_count)];
    uint32_t length = sample->length;
    memcpy(out, sample->at, length);
    if (!below(16)) return length;                           /* a plain replay */
    for (uint32_t changes = 1 + below(3); changes; changes--) {
        switch (below(6)) {
        case 0:
            for (uint32_t flips = 1 + below(8); flips && length; flips--) out[below(length)] ^= 1 << below(8);
            break;
        case 1: length = below(length + 1); break;
        case 2: {
            uint32_t more = below(64);
            while (more-- && length < LARGEST) out[length++] = chance();
            break;
        }
        case 3:
            if (length >= 4) {
                static const uint32_t edges[] = { 0, 0xffffffff, 0x80000000, 0x7fffffff, 1, 0x01000000 };
                memcpy(out + below(length - 3), &edges[below(6)], 4);
            }
            break;
        case 4: {
            const struct sample *other = &samples[below(sample_count)];
            uint32_t from = below(other->length), to = below(length + 1), size = other->length - from;
            if (to + size > LARGEST) size = LARGEST - to;
            memcpy(out + to, other->at + from, size);
            length = to + size;
            break;
        }
        default:
            if (length) out[below(length < 32 ? length : 32)] = chance();   /* headers stand in front */
            break;
        }
    }
    return length;
}

static uint32_t datagram(unsigned char *out)
{
    uint32_t kind = below(4);
    if (kind == 0) return noise(out);
    if (kind == 1 || !sample_count) return plausible_noise(out);
    return mutation(out);
}

int main(int argc, char **argv)
{
    static unsigned char slots[BATCH][LARGEST + 8], reply[65536];
    static struct iovec pieces[BATCH];
    static struct mmsghdr batch[BATCH];
    uint64_t sent = 0, bytes = 0, replies = 0, reply_bytes = 0;

    if (argc != 6 && argc != 7) { fprintf(stderr, "usage: flood ADDRESS PORT COUNT PER_SECOND SEED [CORPUS]\n"); return 2; }
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) { fprintf(stderr, "bad address %s\n", argv[1]); return 2; }
    uint64_t count = strtoull(argv[3], NULL, 10), rate = strtoull(argv[4], NULL, 10);
    if (!rate) { fprintf(stderr, "bad rate %s\n", argv[4]); return 2; }
    state = strtoull(argv[5], NULL, 10);
    if (argc == 7) read_corpus(argv[6]);

    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) { perror("socket"); return 1; }
    uint64_t begun = now_ns();
    while (sent < count) {
        uint32_t size = count - sent < BATCH ? count - sent : BATCH, done = 0;
        for (uint32_t i = 0; i < size; i++) {
            pieces[i] = (struct iovec){ slots[i], datagram(slots[i]) };
            bytes += pieces[i].iov_len;
            batch[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
        }
        while (done < size) {
            int n = sendmmsg(fd, batch + done, size - done, 0);
            if (n < 0 && errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) { perror("sendmmsg"); return 1; }
            if (n > 0) done += n;
        }
        sent += size;
        for (ssize_t n; (n = recv(fd, reply, sizeof reply, MSG_DONTWAIT)) >= 0; replies++) reply_bytes += n;
        uint64_t due = begun + sent * 1000000000ull / rate, now = now_ns();
        if (due > now) {
            struct timespec pause = { (due - now) / 1000000000, (due - now) % 1000000000 };
            nanosleep(&pause, NULL);
        }
    }
    usleep(300000);                                          /* the last answers */
    for (ssize_t n; (n = recv(fd, reply, sizeof reply, MSG_DONTWAIT)) >= 0; replies++) reply_bytes += n;
    printf("sent %lu bytes %lu replies %lu reply_bytes %lu\n", sent, bytes, replies, reply_bytes);
    return 0;
}
