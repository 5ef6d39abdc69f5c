"""Media types as tables: what libmagic's words mean, what an extension claims, what a browser may be told."""

from __future__ import annotations

from dataclasses import dataclass

OCTETS = "application/octet-stream"

# -- What libmagic saw, where that is a clear word; anything else says nothing -----------------------------------------
_LOOKS: dict[str, str] = {
    media_type: look
    for look, media_types in {
        "text": "text/plain text/csv",
        "notation": "application/json application/x-ndjson text/xml application/xml message/rfc822",
        "html": "text/html",
        "svg": "image/svg+xml",
        "script": "text/x-awk text/x-lua text/x-msdos-batch text/x-perl text/x-php text/x-ruby text/x-shellscript"
        " text/x-tcl text/x-python text/x-script.python",
        "program": "application/x-dosexec application/vnd.microsoft.portable-executable application/x-msdownload"
        " application/x-executable application/x-pie-executable application/x-sharedlib application/x-mach-binary"
        " application/x-java-applet application/x-msi application/x-ms-shortcut",
        "pdf": "application/pdf",
        "rtf": "text/rtf application/rtf",
        "ole": "application/x-ole-storage application/cdfv2 application/msword application/vnd.ms-excel"
        " application/vnd.ms-powerpoint application/vnd.ms-office application/vnd.ms-outlook application/encrypted"
        " application/vnd.visio application/vnd.ms-project application/vnd.ms-publisher",
        "zip": "application/zip application/java-archive application/epub+zip application/vnd.android.package-archive"
        " application/vnd.ms-visio.drawing.main+xml",
        "7z": "application/x-7z-compressed",
        "rar": "application/x-rar application/vnd.rar",
        "gzip": "application/gzip application/x-gzip",
        "bzip2": "application/x-bzip2",
        "xz": "application/x-xz",
        "zstd": "application/zstd application/x-zstd",
        "tar": "application/x-tar",
        "png": "image/png image/apng",
        "jpeg": "image/jpeg",
        "gif": "image/gif",
        "webp": "image/webp",
        "bmp": "image/bmp image/x-ms-bmp",
        "tiff": "image/tiff",
        "heif": "image/heic image/heif image/heic-sequence image/heif-sequence image/avif",
        "psd": "image/vnd.adobe.photoshop",
        "bmff": "video/mp4 video/quicktime video/3gpp video/3gpp2 video/x-m4v audio/mp4 audio/x-m4a",
        "matroska": "video/webm video/x-matroska audio/x-matroska",
        "avi": "video/x-msvideo video/avi",
        "asf": "video/x-ms-asf video/x-ms-wmv",
        "mp3": "audio/mpeg",
        "mpeg": "video/mpeg video/mpeg4-generic video/mp2t",
        "wav": "audio/x-wav audio/wav",
        "flac": "audio/flac audio/x-flac",
        "ogg": "audio/ogg video/ogg application/ogg",
        "sqlite": "application/vnd.sqlite3 application/x-sqlite3",
        "pcap": "application/vnd.tcpdump.pcap application/x-pcapng",
    }.items()
    for media_type in media_types.split()
}
_OFFICE_PREFIXES = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")


def look_of(media_type: str) -> str | None:
    """The look of what libmagic saw, in lower case; None where that says nothing clear."""
    return "zip" if media_type.startswith(_OFFICE_PREFIXES) else _LOOKS.get(media_type)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an extension says: a media type, and which looks do not contradict it. Plain text contradicts nothing."""

    media_type: str
    looks: frozenset[str]


_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
# media type: extensions: looks. Old Office extensions are given to nearly everything that Office opens: reports saved
# as .xls are HTML tables as often as not. Encrypted new Office files are old containers.
_CLAIMS_TABLE = f"""
text/plain: txt text log out err trace asc diff patch conf cfg cnf ini properties toml rst tex srt sql: text notation
text/csv: csv tsv tab: text notation
text/markdown: md markdown: text notation html
text/vtt: vtt: text notation
text/calendar: ics: text notation
text/vcard: vcf: text notation
application/json: json jsonl ndjson har geojson ipynb: text notation
application/yaml: yaml yml: text notation
text/xml: xml xsd xsl xslt wsdl: text notation html svg
message/rfc822: eml mht mhtml: text notation html
text/html: html htm xhtml: text notation html svg
image/svg+xml: svg: text notation svg
application/pdf: pdf: pdf
text/rtf: rtf: rtf
application/msword: doc dot: ole zip rtf notation html
application/vnd.ms-excel: xls xlt: ole zip rtf notation html
application/vnd.ms-powerpoint: ppt pps pot: ole zip
application/vnd.ms-outlook: msg oft: ole
{_OOXML}.wordprocessingml.document: docx docm dotx: zip ole
{_OOXML}.spreadsheetml.sheet: xlsx xlsm xlsb xltx: zip ole
{_OOXML}.presentationml.presentation: pptx pptm ppsx potx: zip ole
{_ODF}.text: odt ott: zip
{_ODF}.spreadsheet: ods ots: zip
{_ODF}.presentation: odp otp: zip
{_ODF}.graphics: odg: zip
application/epub+zip: epub: zip
application/zip: zip: zip
application/x-7z-compressed: 7z: 7z
application/vnd.rar: rar: rar
application/gzip: gz tgz: gzip
application/x-bzip2: bz2 tbz2: bzip2
application/x-xz: xz txz: xz
application/zstd: zst: zstd
application/x-tar: tar: tar
image/png: png: png
image/jpeg: jpg jpeg jpe jfif: jpeg
image/gif: gif: gif
image/webp: webp: webp
image/bmp: bmp: bmp
image/tiff: tif tiff: tiff
image/heic: heic heif: heif
image/avif: avif: heif
image/vnd.adobe.photoshop: psd: psd
video/mp4: mp4 m4v: bmff
video/quicktime: mov qt: bmff
video/3gpp: 3gp 3g2: bmff
video/webm: webm: matroska
video/x-matroska: mkv: matroska
video/x-msvideo: avi: avi
video/x-ms-wmv: wmv asf: asf
video/mpeg: mpg mpeg mpe: mpeg mp3
audio/mp4: m4a: bmff
audio/mpeg: mp3: mp3 mpeg
audio/wav: wav: wav
audio/flac: flac: flac ogg
audio/ogg: ogg oga opus: ogg
video/ogg: ogv: ogg
application/vnd.sqlite3: sqlite sqlite3: sqlite
application/vnd.tcpdump.pcap: pcap pcapng cap: pcap
"""


def _claims(table: str) -> dict[str, Claim]:
    claims = {}
    for line in table.strip().splitlines():
        media_type, names, looks = line.split(":")
        for extension in names.split():
            claims[extension] = Claim(media_type, frozenset(looks.split()))
    return claims


CLAIMS = _claims(_CLAIMS_TABLE)
"""By extension, in lower case and without the dot."""

# Old and wrong words for a type, in an allow-list or from an older libmagic.
_SAME = {
    "application/x-empty": OCTETS,
    "inode/x-empty": OCTETS,
    "application/cdfv2": "application/x-ole-storage",
    "application/x-gzip": "application/gzip",
    "application/x-rar": "application/vnd.rar",
    "application/x-zip-compressed": "application/zip",
    "application/x-zstd": "application/zstd",
    "application/xml": "text/xml",
    "application/rtf": "text/rtf",
    "application/csv": "text/csv",
    "audio/x-wav": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/x-flac": "audio/flac",
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "video/avi": "video/x-msvideo",
}


def one_word(media_type: str) -> str:
    """The one word for a type that has several; anything else unchanged."""
    return _SAME.get(media_type, media_type)


# What a browser may be told when somebody fetches a file (S-54): nothing that it would run or render as a page.
_SAFE = frozenset(
    {claim.media_type for claim in CLAIMS.values()}
    - {"text/html", "text/xml", "image/svg+xml", "message/rfc822", "text/markdown", "application/epub+zip"}
)


def safe_media_type(media_type: str | None) -> str:
    """The Content-Type for a download (S-54): the type where it is on the fixed list, else octets."""
    return media_type if media_type in _SAFE else OCTETS
