// What npm pst-extractor finds in a PST file: JSON lines, a folder or an item each. usage: node dump_pst.js MODULE FILE
'use strict'
const crypto = require('crypto')
const fs = require('fs')
const { PSTFile } = require(process.argv[2])
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n')
console.log = console.error
const seconds = (d) => (d ? Math.floor(d.getTime() / 1000) : null)
const tried = (f, otherwise) => {
  try {
    return f()
  } catch (e) {
    return otherwise
  }
}

function attachment(a) {
  const out = { name: a.longFilename || a.filename, method: a.attachMethod, sha: null, size: null }
  const s = a.attachMethod === 5 ? null : a.fileInputStream
  if (s) {
    const bytes = Buffer.alloc(s.length.toNumber())
    s.readCompletely(bytes)
    out.size = bytes.length
    out.sha = crypto.createHash('sha256').update(bytes).digest('hex')
  }
  return out
}

// It reads the whole table again for each of its rows.
const once = (table) => {
  if (table) {
    const rows = table.getItems()
    table.getItems = () => rows
  }
}

function item(path, m) {
  const attachments = []
  const recipients = []
  tried(() => m.numberOfRecipients && once(m.recipientTable))
  tried(() => m.numberOfAttachments && once(m.attachmentTable))
  for (let i = 0, n = tried(() => m.numberOfAttachments, 0); i < n; i++) attachments.push(tried(() => attachment(m.getAttachment(i)), null))
  for (let i = 0, n = tried(() => m.numberOfRecipients, 0); i < n; i++) {
    const r = m.getRecipient(i)
    recipients.push([r.recipientType, r.displayName, r.smtpAddress || r.emailAddress, r.addrType])
  }
  say({
    path, class: m.messageClass, subject: m.subject, id: m.internetMessageId, reply: m.inReplyToId, header: m.transportMessageHeaders, sender: [m.sentRepresentingName, m.sentRepresentingEmailAddress],
    submit: seconds(m.clientSubmitTime), delivery: seconds(m.messageDeliveryTime), text: m.body, html: m.bodyHTML, attachments, recipients,
  })
}

function folder(path, f) {
  if (path.length) say({ path, folder: true, count: f.contentCount })
  if (f.hasSubfolders) for (const child of f.getSubFolders()) folder(path.concat(child.displayName), child)
  for (let i = 0; i < f.contentCount; i++) {
    const m = tried(() => f.getNextChild(), null)
    if (!m) break
    item(path, m)
  }
}

folder([], new PSTFile(fs.readFileSync(process.argv[3])).getRootFolder()) // from memory: many times as fast
