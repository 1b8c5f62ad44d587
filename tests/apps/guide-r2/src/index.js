// The guide's R2 snippet (its lines 382-422). Each piece stands as it is written, in a function that gives it what it
// takes from elsewhere; where it cannot run as written, a comment says what differs.

const PART = 5 * 1024 * 1024;

const pieces = {
  async upload(env, request) {
    const form = await request.formData();
    const file = form.get('file');
    const userId = form.get('user');

    // 上传文件
    await env.MY_BUCKET.put('path/to/file.pdf', file.stream(), {
      httpMetadata: {
        contentType: 'application/pdf',
        cacheControl: 'public, max-age=31536000',
      },
      customMetadata: {
        uploadedBy: userId,
        version: '1.0'
      }
    });
  },

  async read(env) {
    // 读取文件
    const object = await env.MY_BUCKET.get('path/to/file.pdf');
    if (object) {
      const blob = await object.blob();
      return new Response(blob, {
        headers: {
          'Content-Type': object.httpMetadata.contentType,
        }
      });
    }
    // Added: the guide leaves this case out.
    return new Response('not there', { status: 404 });
  },

  // Differs: the prefix is asked for, since the guide lists 'uploads/', where nothing of its own lies.
  async list(env, request) {
    // 列出文件
    const list = await env.MY_BUCKET.list({
      prefix: new URL(request.url).searchParams.get('prefix') ?? 'uploads/',
      limit: 100,
      include: ['httpMetadata', 'customMetadata']
    });
    return Response.json(list);
  },

  async remove(env) {
    // 删除文件
    await env.MY_BUCKET.delete('path/to/file.pdf');
  },

  async large(env, request) {
    // 批量操作
    const multipartUpload = await env.MY_BUCKET.createMultipartUpload('large-file');
    // ... 上传 parts
    // Added: what the guide leaves to the reader here.
    const body = await request.arrayBuffer();
    const uploadedParts = [];
    for (let from = 0; from < body.byteLength; from += PART) {
      const part = body.slice(from, from + PART);
      uploadedParts.push(await multipartUpload.uploadPart(uploadedParts.length + 1, part));
    }
    await multipartUpload.complete(uploadedParts);
  },

  // Differs: R2 has no such method, on Cloudflare neither; `tests/apps/r2-presign` makes the URL with what is there.
  async sign(env) {
    // 生成预签名 URL
    const url = await env.MY_BUCKET.createSignedUrl('path/to/file.pdf', {
      expiresIn: 3600, // 1小时
    });
    return new Response(url);
  },
};

export default {
  // /<piece>, with whatever method and body it takes.
  async fetch(request, env) {
    const piece = pieces[new URL(request.url).pathname.slice(1)];
    if (!piece) return new Response('no such piece', { status: 404 });
    try {
      return (await piece(env, request)) ?? new Response(null, { status: 204 });
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
