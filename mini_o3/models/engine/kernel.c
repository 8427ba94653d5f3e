/* One decoder layer's small work on a processor, in float32: what lies between the matrix products.

   Built by kernel.py for one width of heads (WIDTH). Keys lie in blocks of BLOCK tokens, within a block
   (WIDTH, BLOCK), so that scores of neighbouring tokens are computed side by side; values lie (tokens, WIDTH). */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 32
#define CHUNK 256 /* keys scored before they are weighed, a multiple of BLOCK */
#define ROWS 16   /* queries that share a pass over the keys */
#define STRIP (WIDTH % 48 == 0 ? 48 : 32)

/* e^x to one part in 5 million, without branches, so that compilers make vectors of it (Cephes). */
static inline float exp_of(float x) {
    x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
    float whole = floorf(x * 1.44269504088896341f + 0.5f);
    float rest = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    union { int32_t bits; float value; } power = {((int32_t)whole + 127) << 23};
    return p * power.value;
}

/* hidden += added (may be NULL); out = hidden / root mean square x weight. */
void add_norm(int64_t rows, int64_t width, float *hidden, const float *added, const float *weight, float eps,
              float *out) {
    for (int64_t row = 0; row < rows; row++, hidden += width, out += width) {
        float sum = 0;
        if (added) {
            for (int64_t d = 0; d < width; d++) hidden[d] += added[d];
            added += width;
        }
#pragma omp simd reduction(+ : sum)
        for (int64_t d = 0; d < width; d++) sum += hidden[d] * hidden[d];
        float scale = 1.0f / sqrtf(sum / (float)width + eps);
        for (int64_t d = 0; d < width; d++) out[d] = hidden[d] * scale * weight[d];
    }
}

/* out (rows, width) = silu(first half) x second half of both (rows, 2 x width). */
void gated(int64_t rows, int64_t width, const float *both, float *out) {
    for (int64_t row = 0; row < rows; row++, both += 2 * width, out += width)
#pragma omp simd
        for (int64_t d = 0; d < width; d++) out[d] = both[d] / (1.0f + exp_of(-both[d])) * both[width + d];
}

/* A head turned to its position, after its norm if there is one (RMS norm over the head, as Qwen3 has it). */
static void turned(const float *head, const float *norm, float eps, const float *cosines, const float *sines,
                   float scale, float *out) {
    float plain[WIDTH];
    memcpy(plain, head, sizeof plain);
    if (norm) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int d = 0; d < WIDTH; d++) sum += plain[d] * plain[d];
        float by = 1.0f / sqrtf(sum / WIDTH + eps);
        for (int d = 0; d < WIDTH; d++) plain[d] *= by * norm[d];
    }
    for (int d = 0; d < WIDTH / 2; d++) {
        out[d] = (plain[d] * cosines[d] - plain[d + WIDTH / 2] * sines[d]) * scale;
        out[d + WIDTH / 2] =
            (plain[d + WIDTH / 2] * cosines[d + WIDTH / 2] + plain[d] * sines[d + WIDTH / 2]) * scale;
    }
}

/* Scores of `count` queries (1 or 2) with the BLOCK keys of one block. */
static inline __attribute__((always_inline)) void score(const int count, const float *query, const float *block,
                                                        float *scores, int64_t stride) {
    float sums[2][BLOCK] = {{0}};
    for (int d = 0; d < WIDTH; d++)
        for (int row = 0; row < count; row++)
#pragma omp simd
            for (int key = 0; key < BLOCK; key++) sums[row][key] += query[row * WIDTH + d] * block[d * BLOCK + key];
    for (int row = 0; row < count; row++) memcpy(scores + row * stride, sums[row], sizeof sums[row]);
}

/* Adds the values of `keys` tokens, weighed, to what `count` queries (1 or 2) have mixed so far. */
static inline __attribute__((always_inline)) void mix(const int count, int64_t keys, const float *weights,
                                                      int64_t stride, const float *values, float *mixed) {
    for (int strip = 0; strip < WIDTH; strip += STRIP) {
        float sums[2][STRIP];
        for (int row = 0; row < count; row++)
            for (int d = 0; d < STRIP; d++) sums[row][d] = mixed[row * WIDTH + strip + d];
        for (int64_t key = 0; key < keys; key++)
            for (int row = 0; row < count; row++)
#pragma omp simd
                for (int d = 0; d < STRIP; d++)
                    sums[row][d] += weights[row * stride + key] * values[key * WIDTH + strip + d];
        for (int row = 0; row < count; row++)
            for (int d = 0; d < STRIP; d++) mixed[row * WIDTH + strip + d] = sums[row][d];
    }
}

/* Up to ROWS queries over the keys and values of one head; query `row` sees `seen[row]` of them, never fewer
   than the one before it. */
static void attend_rows(int rows, const float *queries, const int64_t *seen, const float *keys, const float *values,
                        float *mixed) {
    float scores[ROWS][CHUNK], most[ROWS], total[ROWS];
    for (int row = 0; row < rows; row++) most[row] = -INFINITY, total[row] = 0;
    memset(mixed, 0, sizeof(float) * (size_t)rows * WIDTH);
    int64_t all = seen[rows - 1];
    for (int64_t first = 0; first < all; first += CHUNK) {
        int64_t here = all - first < CHUNK ? all - first : CHUNK;
        for (int64_t block = 0; block < here; block += BLOCK) {
            const float *of_block = keys + (first + block) * WIDTH;
            int row = 0;
            for (; row + 1 < rows; row += 2) score(2, queries + row * WIDTH, of_block, &scores[row][block], CHUNK);
            if (row < rows) score(1, queries + row * WIDTH, of_block, &scores[row][block], CHUNK);
        }
        for (int row = 0; row < rows; row++) {
            int64_t visible = seen[row] - first < 0 ? 0 : (seen[row] - first < here ? seen[row] - first : here);
            float *of_row = scores[row], highest = most[row], sum = 0;
#pragma omp simd reduction(max : highest)
            for (int64_t key = 0; key < visible; key++) highest = of_row[key] > highest ? of_row[key] : highest;
            float shrink = total[row] > 0 ? exp_of(most[row] - highest) : 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t key = 0; key < visible; key++) {
                of_row[key] = exp_of(of_row[key] - highest);
                sum += of_row[key];
            }
            for (int64_t key = visible; key < here; key++) of_row[key] = 0;
            most[row] = highest;
            total[row] = total[row] * shrink + sum;
            for (int d = 0; d < WIDTH; d++) mixed[row * WIDTH + d] *= shrink;
        }
        int row = 0;
        for (; row + 1 < rows; row += 2)
            mix(2, here, scores[row], CHUNK, values + first * WIDTH, mixed + row * WIDTH);
        if (row < rows) mix(1, here, scores[row], CHUNK, values + first * WIDTH, mixed + row * WIDTH);
    }
    for (int row = 0; row < rows; row++)
        for (int d = 0; d < WIDTH; d++) mixed[row * WIDTH + d] /= total[row];
}

/* Stores keys and values of the packed new tokens of some pieces and mixes values for their queries.

   A piece has `tokens` new tokens after `start` cached ones, in a room (layers x 2, kv_heads, capacity, WIDTH) at
   address `room`. `qkv` (tokens of all pieces, (heads + 2 x kv_heads) x WIDTH), `out` (the same, heads x WIDTH). */
void attend(int64_t pieces, const int64_t *room, const int64_t *capacity, const int64_t *start, const int64_t *tokens,
            const int64_t *offset, int64_t layer, int64_t kv_heads, int64_t shared, const float *qkv,
            const float *cosines, const float *sines, const float *query_norm, const float *key_norm, float eps,
            float *out) {
    const int64_t heads = kv_heads * shared, columns = (heads + 2 * kv_heads) * WIDTH;
    const float scale = 1.0f / sqrtf((float)WIDTH);
    float queries[ROWS * WIDTH], mixed[ROWS * WIDTH], turned_key[WIDTH];
    int64_t seen[ROWS], place[ROWS];
    for (int64_t piece = 0; piece < pieces; piece++) {
        const int64_t held = capacity[piece] * WIDTH, at = offset[piece];
        float *store = (float *)room[piece] + 2 * layer * kv_heads * held;
        for (int64_t head = 0; head < kv_heads; head++) {
            float *keys = store + head * held, *values = store + (kv_heads + head) * held;
            for (int64_t token = 0; token < tokens[piece]; token++) {
                const float *row = qkv + (at + token) * columns;
                const int64_t end = start[piece] + token;
                const int64_t turn = (at + token) * WIDTH;
                turned(row + (heads + head) * WIDTH, key_norm, eps, cosines + turn, sines + turn, 1.0f, turned_key);
                float *block = keys + end / BLOCK * BLOCK * WIDTH + end % BLOCK;
                for (int d = 0; d < WIDTH; d++) block[d * BLOCK] = turned_key[d];
                memcpy(values + end * WIDTH, row + (heads + kv_heads + head) * WIDTH, sizeof(float) * WIDTH);
            }
            int rows = 0;
            for (int64_t query = 0; query < tokens[piece] * shared; query++) {
                const int64_t token = query / shared, of_head = head * shared + query % shared;
                const int64_t turn = (at + token) * WIDTH;
                turned(qkv + (at + token) * columns + of_head * WIDTH, query_norm, eps, cosines + turn, sines + turn,
                       scale, queries + rows * WIDTH);
                seen[rows] = start[piece] + token + 1;
                place[rows] = ((at + token) * heads + of_head) * WIDTH;
                if (++rows < ROWS && query + 1 < tokens[piece] * shared) continue;
                attend_rows(rows, queries, seen, keys, values, mixed);
                for (int row = 0; row < rows; row++)
                    memcpy(out + place[row], mixed + row * WIDTH, sizeof(float) * WIDTH);
                rows = 0;
            }
        }
    }
}
