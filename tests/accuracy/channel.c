/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "accuracy/channel.h"
#include "accuracy/timers.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX 16384

SSL_CTX *channel_tls(const char *cert_file, const char *key_file)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method());

	if (tls && SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 &&
	    (!cert_file || SSL_CTX_use_certificate_file(tls, cert_file, SSL_FILETYPE_PEM) == 1) &&
	    (!key_file || SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) == 1))
		return tls;
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(tls);
	return NULL;
}

static int send_all(struct channel *channel, const void *data, size_t size)
{
	ssize_t sent;

	channel->sent_ns = clock_now_ns();
	sent = send(channel->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return -errno;
	return (size_t)sent == size ? 0 : -ENOBUFS;
}

/* What TLS wants to send, as one piece. */
static int flush(struct channel *channel)
{
	char *data;
	long size = BIO_get_mem_data(SSL_get_wbio(channel->tls), &data);
	int r;

	if (size <= 0)
		return 0;
	r = send_all(channel, data, (size_t)size);
	(void)BIO_reset(SSL_get_wbio(channel->tls));
	return r;
}

/* A call for which TLS needs more from the peer has not failed. */
static int tls_status(const struct channel *channel, int result)
{
	int error = SSL_get_error(channel->tls, result);

	ERR_clear_error();
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -EAGAIN : -EPROTO;
}

static int begin_tls(struct channel *channel, SSL_CTX *tls, bool is_server)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int r;

	channel->tls = SSL_new(tls);
	if (!channel->tls || !in || !out) {
		BIO_free(in);
		BIO_free(out);
		return -ENOMEM;
	}
	SSL_set_bio(channel->tls, in, out);
	if (is_server) {
		SSL_set_accept_state(channel->tls);
		return 0;
	}
	SSL_set_connect_state(channel->tls);
	r = SSL_do_handshake(channel->tls);
	if (r != 1 && tls_status(channel, r) != -EAGAIN)
		return -EPROTO;
	return flush(channel);
}

int channel_open(struct channel *ret_channel, int fd, SSL_CTX *tls, bool is_server)
{
	struct channel channel = {.fd = fd};
	int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, on = 1, r;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps))) {
		r = -errno;
		channel_close(&channel);
		return r;
	}
	r = tls ? begin_tls(&channel, tls, is_server) : 0;
	if (r < 0) {
		channel_close(&channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

void channel_close(struct channel *channel)
{
	SSL_free(channel->tls);
	close(channel->fd);
	*channel = (struct channel){.fd = -1};
}

bool channel_is_ready(const struct channel *channel)
{
	return !channel->tls || SSL_is_init_finished(channel->tls);
}

/* The kernel stamps by CLOCK_REALTIME: how long ago that was counts. */
static uint64_t arrival_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct timespec stamps[3], now;
		int64_t age_ns;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING)
			continue;
		memcpy(stamps, CMSG_DATA(c), sizeof(stamps));
		if (!stamps[0].tv_sec)
			return 0;
		clock_gettime(CLOCK_REALTIME, &now);
		age_ns = (now.tv_sec - stamps[0].tv_sec) * (int64_t)NS_PER_S + now.tv_nsec -
			 stamps[0].tv_nsec;
		return clock_now_ns() - (uint64_t)age_ns;
	}
	return 0;
}

static ssize_t receive(struct channel *channel, void *buffer, size_t size)
{
	char control[256] __attribute__((aligned(8)));
	struct iovec part = {buffer, size};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(channel->fd, &message, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	if (n > 0)
		channel->arrived_ns = arrival_of(&message);
	return n;
}

static ssize_t read_tls(struct channel *channel, void *buffer, size_t size)
{
	char raw[READ_MAX];
	size_t used = 0;
	ssize_t got = receive(channel, raw, sizeof(raw));
	int r;

	if (got <= 0)
		return got;
	if (BIO_write(SSL_get_rbio(channel->tls), raw, (int)got) != got)
		return -ENOMEM;
	for (;;) {
		r = SSL_read(channel->tls, (char *)buffer + used, (int)(size - used));
		if (r <= 0)
			break;
		used += (size_t)r;
	}
	if (SSL_get_shutdown(channel->tls) & SSL_RECEIVED_SHUTDOWN)
		return (ssize_t)used;
	if (used < size && tls_status(channel, r) != -EAGAIN)
		return -EPROTO;
	r = flush(channel);
	if (r < 0)
		return r;
	return used ? (ssize_t)used : -EAGAIN;
}

ssize_t channel_read(struct channel *channel, void *buffer, size_t size)
{
	return channel->tls ? read_tls(channel, buffer, size) : receive(channel, buffer, size);
}

int channel_write(struct channel *channel, const void *data, size_t size)
{
	if (!channel->tls)
		return send_all(channel, data, size);
	if (SSL_write(channel->tls, data, (int)size) != (int)size)
		return -EPROTO;
	return flush(channel);
}
