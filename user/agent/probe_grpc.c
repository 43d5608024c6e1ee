/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe_grpc.h"

#include "common/text.h"
#include "common/util.h"
#include "rpc/client.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>

#define FRAME_TYPE_AT 3 /* bytes into a frame */
#define READS_MAX     4 /* at a time: what is left makes the socket readable again */

void probe_grpc_question_init(struct probe_grpc_question *question, const char *authority,
			      const char *service, bool tls)
{
	*question = (struct probe_grpc_question){
		.authority = util_strdup(authority), .service = util_strdup(service), .tls = tls};
	grpc_health_request(service, &question->request, &question->request_size);
}

void probe_grpc_question_clear(struct probe_grpc_question *question)
{
	free(question->authority);
	free(question->service);
	free(question->request);
	*question = (struct probe_grpc_question){};
}

#define judge(grpc, ...) ((grpc)->verdict = probe_fail((grpc)->detail, __VA_ARGS__))

/* Names and values are NUL-terminated by nghttp2's word. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
		     void *userdata)
{
	struct probe_grpc *grpc = userdata;
	uint64_t number;

	(void)session;
	(void)frame;
	(void)flags;
	grpc->headers += name_size + value_size;
	if (grpc->headers > GRPC_HEADERS_MAX && grpc->verdict == PROBE_PENDING)
		judge(grpc, "the gRPC headers are too long");
	if (text_parse_number((const char *)value, &number) || number > 999)
		return 0;
	if (!strcmp((const char *)name, ":status"))
		grpc->http_status = (int)number;
	else if (!strcmp((const char *)name, "grpc-status"))
		grpc->grpc_status = (int)number;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
		   size_t size, void *userdata)
{
	struct probe_grpc *grpc = userdata;

	(void)session;
	(void)flags;
	(void)stream_id;
	if (grpc->reply_size + size <= sizeof(grpc->reply))
		memcpy(grpc->reply + grpc->reply_size, data, size);
	grpc->reply_size += size;
	return 0;
}

static enum probe_result reply_judge(struct probe_grpc *grpc)
{
	const char *status;
	int r;

	if (grpc->http_status != 200)
		return judge(grpc, "HTTP status %d instead of gRPC", grpc->http_status);
	if (grpc->grpc_status < 0)
		return judge(grpc, "the answer has no gRPC status");
	if (grpc->grpc_status == RPC_CODE_NOT_FOUND && *grpc->question->service)
		return judge(grpc, "no gRPC service '%.48s' there", grpc->question->service);
	if (grpc->grpc_status == RPC_CODE_UNIMPLEMENTED)
		return judge(grpc, "no grpc.health.v1 there (gRPC status UNIMPLEMENTED)");
	if (grpc->grpc_status)
		return judge(grpc, "gRPC status %d, %s", grpc->grpc_status,
			     rpc_code_name(grpc->grpc_status));
	r = grpc->reply_size <= sizeof(grpc->reply)
		    ? grpc_health_judge(grpc->reply, grpc->reply_size, &status)
		    : -EBADMSG;
	if (r == -EBADMSG)
		return judge(grpc, "the gRPC answer is not a health report");
	return r ? judge(grpc, "it says %s", status) : PROBE_PASSED;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error,
			   void *userdata)
{
	struct probe_grpc *grpc = userdata;

	(void)session;
	(void)stream_id;
	if (grpc->verdict != PROBE_PENDING)
		return 0;
	if (error)
		judge(grpc, "HTTP/2 stream reset, %s", nghttp2_http2_strerror(error));
	else
		grpc->verdict = reply_judge(grpc);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct probe_grpc *grpc = userdata;

	(void)session;
	/* A server that only stops listening finishes what it has begun. */
	if (frame->hd.type == NGHTTP2_GOAWAY && grpc->verdict == PROBE_PENDING &&
	    (frame->goaway.error_code || !frame->goaway.last_stream_id))
		judge(grpc, "the server ends HTTP/2, %s",
		      nghttp2_http2_strerror(frame->goaway.error_code));
	return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
			    void *userdata)
{
	struct probe_grpc *grpc = userdata;

	(void)session;
	(void)frame;
	if (grpc->verdict == PROBE_PENDING)
		judge(grpc, "the answer breaks HTTP/2: %s", nghttp2_strerror(error));
	return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream_id, uint8_t *data, size_t size,
			    uint32_t *flags, nghttp2_data_source *source, void *userdata)
{
	struct probe_grpc *grpc = userdata;
	size_t left = grpc->question->request_size - grpc->asked;
	size_t n = left < size ? left : size;

	(void)session;
	(void)stream_id;
	(void)source;
	memcpy(data, grpc->question->request + grpc->asked, n);
	grpc->asked += n;
	if (n == left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int session_new(struct probe_grpc *grpc, nghttp2_session **ret_session)
{
	nghttp2_session_callbacks *callbacks;
	int r = nghttp2_session_callbacks_new(&callbacks);

	if (r)
		return r;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	r = nghttp2_session_client_new(ret_session, callbacks, grpc);
	nghttp2_session_callbacks_del(callbacks);
	return r;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
			    .value = (uint8_t *)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value)};
}

static int request_submit(struct probe_grpc *grpc, nghttp2_session *session)
{
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", grpc->question->tls ? "https" : "http"),
		header(":path", "/grpc.health.v1.Health/Check"),
		header(":authority", grpc->question->authority),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", "steerd"),
	};
	const nghttp2_data_provider provider = {.read_callback = read_request};
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX},
	};
	int r = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));

	if (r)
		return r;
	r = nghttp2_submit_request(session, NULL, headers, ARRAY_SIZE(headers), &provider, NULL);
	return r < 0 ? r : 0;
}

static enum probe_result begin(struct probe_grpc *grpc, const struct probe_grpc_question *question,
			       char *detail)
{
	nghttp2_session *session = NULL;
	int r;

	grpc->question = question;
	grpc->grpc_status = -1;
	r = session_new(grpc, &session);
	grpc->session = session;
	if (!r)
		r = request_submit(grpc, session);
	if (!r)
		return PROBE_PASSED;
	probe_fail(detail, "HTTP/2: %s", nghttp2_strerror(r));
	return PROBE_SKIPPED;
}

static enum probe_result send_all(struct probe_grpc *grpc, struct probe_stream *stream)
{
	for (;;) {
		ssize_t n;

		if (!grpc->out_size) {
			n = nghttp2_session_mem_send(grpc->session, &grpc->out);
			if (n <= 0)
				return n ? judge(grpc, "HTTP/2: %s", nghttp2_strerror((int)n))
					 : PROBE_PASSED;
			grpc->out_size = (size_t)n;
		}
		n = probe_stream_write(stream, grpc->out, grpc->out_size);
		if (n < 0)
			return probe_fail_stream(grpc->detail, stream, (int)n);
		grpc->out += n;
		grpc->out_size -= (size_t)n;
	}
}

/* A server's first frame is SETTINGS: without it nghttp2 would wait for a frame of any size. */
static bool is_http2(const struct probe_grpc *grpc, const uint8_t *data, size_t size)
{
	return grpc->seen > FRAME_TYPE_AT || grpc->seen + size <= FRAME_TYPE_AT ||
	       data[FRAME_TYPE_AT - grpc->seen] == NGHTTP2_SETTINGS;
}

static enum probe_result take(struct probe_grpc *grpc, const uint8_t *data, size_t size)
{
	ssize_t n;

	if (!is_http2(grpc, data, size))
		return judge(grpc, "the answer is not HTTP/2");
	grpc->seen += size;
	n = nghttp2_session_mem_recv(grpc->session, data, size);
	if (grpc->verdict != PROBE_PENDING)
		return grpc->verdict;
	if (n < 0)
		return judge(grpc, "the answer breaks HTTP/2: %s", nghttp2_strerror((int)n));
	if (grpc->seen > GRPC_ANSWER_MAX)
		return judge(grpc, "the gRPC answer is too long");
	return PROBE_PENDING;
}

static enum probe_result receive(struct probe_grpc *grpc, struct probe_stream *stream)
{
	enum probe_result result = PROBE_PENDING;
	uint8_t data[PROBE_READ_MAX];

	for (int i = 0; i < READS_MAX && result == PROBE_PENDING; i++) {
		ssize_t n = probe_stream_read(stream, data, sizeof(data));

		if (n < 0)
			return probe_fail_stream(grpc->detail, stream, (int)n);
		result = n ? take(grpc, data, (size_t)n)
			   : judge(grpc, grpc->seen ? "connection closed within the answer"
						    : "connection closed without an answer");
	}
	return result;
}

/* After an error of its own nghttp2 reads no more, and only tells the other end. */
static enum probe_result answer(struct probe_grpc *grpc, struct probe_stream *stream)
{
	enum probe_result result = send_all(grpc, stream);
	short events = POLLIN;

	if (result == PROBE_PENDING)
		events |= stream->events;
	else if (result == PROBE_PASSED && !nghttp2_session_want_read(grpc->session))
		return judge(grpc, "the answer breaks HTTP/2");
	stream->events = events;
	return result == PROBE_PASSED ? PROBE_PENDING : result;
}

enum probe_result probe_grpc_advance(struct probe_grpc *grpc,
				     const struct probe_grpc_question *question,
				     struct probe_stream *stream, char detail[PROBE_DETAIL_MAX])
{
	enum probe_result result = PROBE_PASSED;

	grpc->detail = detail;
	if (!grpc->session)
		result = begin(grpc, question, detail);
	if (result == PROBE_PASSED)
		result = receive(grpc, stream);
	return result == PROBE_PENDING ? answer(grpc, stream) : result;
}

void probe_grpc_clear(struct probe_grpc *grpc)
{
	nghttp2_session_del(TAKE(grpc->session));
}
