"""Names that a language gives without a definition or an import; for C and C++ also those of common headers."""

from __future__ import annotations

import builtins

_PYTHON = " ".join(dir(builtins)) + " self cls _ __file__ __class__ __path__"

_SCRIPT = """
arguments undefined NaN Infinity globalThis this super eval isNaN isFinite parseInt parseFloat encodeURI decodeURI
encodeURIComponent decodeURIComponent escape unescape Object Function Boolean Symbol Number BigInt Math Date String
RegExp Array Map Set WeakMap WeakSet WeakRef Promise Proxy Reflect JSON Intl Atomics ArrayBuffer SharedArrayBuffer
DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array
Float64Array BigInt64Array BigUint64Array Error AggregateError EvalError RangeError ReferenceError SyntaxError
TypeError URIError console window document navigator location history screen localStorage sessionStorage fetch alert
confirm prompt setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate requestAnimationFrame
cancelAnimationFrame requestIdleCallback queueMicrotask structuredClone atob btoa performance crypto self global
process require module exports Buffer __dirname __filename URL URLSearchParams Headers Request Response FormData Blob
File FileReader AbortController AbortSignal TextEncoder TextDecoder Event EventTarget CustomEvent MessageChannel
MessageEvent WebSocket Worker XMLHttpRequest ReadableStream WritableStream TransformStream Image Node Element
HTMLElement SVGElement NodeList DocumentFragment DOMParser HTMLInputElement HTMLButtonElement HTMLFormElement
HTMLDivElement HTMLAnchorElement HTMLCanvasElement HTMLImageElement HTMLSelectElement HTMLTextAreaElement
KeyboardEvent MouseEvent PointerEvent TouchEvent WheelEvent FocusEvent InputEvent MutationObserver
IntersectionObserver ResizeObserver getComputedStyle matchMedia describe it test expect beforeEach afterEach beforeAll
afterAll jest vi key ref React JSX
"""

_TYPES_OF_SCRIPT = """
any unknown never void string number boolean object symbol bigint Partial Required Readonly Record Pick Omit Exclude
Extract NonNullable Parameters ConstructorParameters ReturnType InstanceType Awaited ThisType Uppercase Lowercase
Capitalize Uncapitalize ReadonlyArray ReadonlyMap ReadonlySet PromiseLike ArrayLike Iterable Iterator IterableIterator
AsyncIterable AsyncIterator AsyncGenerator Generator PropertyKey PropertyDescriptor TemplateStringsArray NodeJS const
"""

_RUST = """
self Self super crate bool char str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 Some None Ok Err
Option Result Vec String Box ToString ToOwned Into From TryFrom TryInto AsRef AsMut Default Iterator IntoIterator
Extend DoubleEndedIterator ExactSizeIterator FromIterator Clone Copy Send Sync Sized Drop Fn FnMut FnOnce PartialEq Eq
PartialOrd Ord Debug Hash Unpin drop std core alloc vec format print println eprint eprintln write writeln panic
assert assert_eq assert_ne debug_assert debug_assert_eq debug_assert_ne matches todo unimplemented unreachable dbg env
option_env include include_str include_bytes concat stringify line file column cfg compile_error thread_local derive
macro_rules test allow inline must_use deprecated _
"""

_GO = """
bool byte complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32
uint64 uintptr any comparable true false iota nil append cap clear close complex copy delete imag len make max min new
panic print println real recover _
"""

_JAVA = """
Object String StringBuilder StringBuffer CharSequence Number Integer Long Short Byte Character Boolean Double Float
Void Math StrictMath System Runtime Thread Runnable ThreadLocal Process ProcessBuilder Class ClassLoader Enum Record
Iterable Comparable Cloneable AutoCloseable Appendable Readable Throwable Exception Error RuntimeException
IllegalArgumentException IllegalStateException IndexOutOfBoundsException ArrayIndexOutOfBoundsException
StringIndexOutOfBoundsException NullPointerException UnsupportedOperationException ArithmeticException
ClassCastException NumberFormatException NegativeArraySizeException CloneNotSupportedException InterruptedException
SecurityException ClassNotFoundException AssertionError OutOfMemoryError StackOverflowError StackTraceElement Override
Deprecated SuppressWarnings FunctionalInterface SafeVarargs java javax hashCode equals toString getClass clone notify
notifyAll wait var length name ordinal values valueOf
"""

_C = """
NULL EOF SIZE_MAX INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN CHAR_BIT CHAR_MAX CHAR_MIN DBL_MAX DBL_MIN FLT_MAX
INFINITY NAN M_PI EXIT_SUCCESS EXIT_FAILURE BUFSIZ PATH_MAX RAND_MAX SEEK_SET SEEK_CUR SEEK_END INT8_MAX INT16_MAX
INT32_MAX INT32_MIN INT64_MAX INT64_MIN UINT8_MAX UINT16_MAX UINT32_MAX UINT64_MAX errno stdin stdout stderr true
false bool FILE size_t ssize_t ptrdiff_t wchar_t time_t clock_t va_list off_t int8_t int16_t int32_t int64_t uint8_t
uint16_t uint32_t uint64_t intptr_t uintptr_t malloc calloc realloc free abort exit atexit getenv system qsort bsearch
abs labs llabs div rand srand atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtof memcpy memmove memset
memcmp memchr strcpy strncpy strcat strncat strcmp strncmp strcasecmp strncasecmp strchr strrchr strstr strtok
strtok_r strlen strnlen strdup strndup strspn strcspn strpbrk strerror printf fprintf sprintf snprintf vprintf
vfprintf vsnprintf scanf fscanf sscanf puts fputs putchar fputc putc gets fgets getchar fgetc getc ungetc fopen fclose
fread fwrite fseek ftell rewind fflush feof ferror clearerr perror remove rename getline isalpha isdigit isalnum
isspace isupper islower ispunct isprint isxdigit iscntrl toupper tolower sin cos tan asin acos atan atan2 sinh cosh
tanh exp exp2 log log2 log10 pow sqrt cbrt hypot floor ceil round lround trunc fabs fmod fmin fmax isnan isinf assert
static_assert time clock difftime mktime gmtime localtime strftime va_start va_end va_arg va_copy setjmp longjmp
signal raise open close read write lseek offsetof __func__ __FILE__ __LINE__ main
"""

_CPP = """
std this nullptr string vector map unordered_map set unordered_set pair tuple optional variant array list deque queue
stack priority_queue function shared_ptr unique_ptr weak_ptr make_shared make_unique make_pair make_tuple cout cin
cerr clog endl ostream istream stringstream ostringstream istringstream ifstream ofstream getline move forward swap
sort find min max abs to_string stoi stol stod begin end size override final exception runtime_error logic_error
invalid_argument out_of_range string_view initializer_list char8_t char16_t char32_t npos
"""

BUILTIN_NAMES: dict[str, frozenset[str]] = {
    language: frozenset(names.split())
    for language, names in {
        "python": _PYTHON,
        "javascript": _SCRIPT,
        "javascriptreact": _SCRIPT,
        "typescript": _SCRIPT + _TYPES_OF_SCRIPT,
        "typescriptreact": _SCRIPT + _TYPES_OF_SCRIPT,
        "rust": _RUST,
        "go": _GO,
        "java": _JAVA,
        "c": _C,
        "cpp": _C + _CPP,
    }.items()
}
