"""What plain Python may name: modules of the library, and what of each, by allow-list."""

import sys

from holdfast.core.risk.shell_rules import words

LIBRARY = frozenset(sys.stdlib_module_names) | words(
    "imp asyncore asynchat smtpd distutils telnetlib crypt nis spwd pipes cgi cgitb audioop"
)
"""Every module of the standard library, and those it had."""
MODULES = words(
    """
    json re sys math cmath collections itertools functools operator string textwrap datetime
    calendar decimal fractions statistics random hashlib hmac base64 binascii struct csv typing
    types dataclasses enum abc copy pprint pathlib os os.path glob fnmatch ast tokenize inspect
    time traceback warnings unittest doctest io difflib html html.parser xml.etree
    xml.etree.ElementTree urllib.parse configparser tomllib argparse contextlib heapq bisect array
    uuid secrets locale unicodedata platform sysconfig importlib.metadata importlib.util zlib gzip
    email.utils numbers graphlib dis keyword token stat filecmp __future__ collections.abc shlex
    zoneinfo ipaddress colorsys errno shutil asyncio
    """
)
"""Modules that plain code may import."""
_TEXT_ONLY = (
    "loads dumps load dump match search findall finditer sub split compile escape fullmatch subn "
    "IGNORECASE MULTILINE DOTALL VERBOSE I M S X Pattern Match error JSONDecodeError "
    "JSONEncoder JSONDecoder"
)
MEMBERS = {
    "os": words("path listdir getcwd walk sep linesep scandir stat cpu_count getpid name fspath"),
    "sys": words(
        "version version_info path argv exit stdin stdout stderr platform executable maxsize "
        "byteorder getsizeof getrecursionlimit prefix implementation flags stdlib_module_names"
    ),
    "json": words(_TEXT_ONLY),
    "re": words(_TEXT_ONLY),
    "io": words("StringIO BytesIO TextIOWrapper open UnsupportedOperation"),
    "inspect": words(
        "getsource getsourcelines getsourcefile getfile getdoc signature getmembers isclass "
        "cleandoc "
        "isfunction ismethod ismodule isabstract iscoroutinefunction getmodule getmro "
        "Parameter Signature"
    ),
    "types": words("SimpleNamespace MappingProxyType NoneType GenericAlias MethodType UnionType"),
    "typing": words(
        "Any Optional Union List Dict Set Tuple Callable Iterable Iterator TypedDict "
        "NamedTuple Literal "
        "TypeVar Generic Protocol cast get_args get_origin Annotated Final ClassVar TYPE_CHECKING "
        "Sequence Mapping Self Never NoReturn overload"
    ),
    "operator": words(
        "itemgetter add sub mul truediv floordiv mod pow neg lt le gt ge eq ne and_ or_ xor "
        "not_ is_ "
        "contains getitem concat index inv"
    ),
    "importlib.metadata": words(
        "version metadata distributions distribution requires packages_distributions files "
        "PackageNotFoundError"
    ),
    "importlib.util": words("find_spec"),
    "functools": words(
        "reduce partial lru_cache cache wraps total_ordering cmp_to_key cached_property "
        "singledispatch"
    ),
    "contextlib": words(
        "suppress contextmanager redirect_stdout redirect_stderr closing nullcontext ExitStack "
        "asynccontextmanager"
    ),
    "doctest": words("testmod testfile"),
    "unittest": words("main TestCase TestLoader TextTestRunner TestSuite defaultTestLoader skip"),
    "platform": words(
        "python_version system machine platform node release version processor uname architecture "
        "python_implementation"
    ),
    "sysconfig": words(
        "get_path get_paths get_config_var get_config_vars get_platform get_python_version"
    ),
    "traceback": words("print_exc format_exc format_exception print_exception"),
    "warnings": words("filterwarnings simplefilter catch_warnings warn"),
    "enum": words("Enum IntEnum StrEnum Flag IntFlag auto unique"),
    "dataclasses": words("dataclass field fields asdict astuple replace is_dataclass"),
    "pathlib": words("Path PurePath PurePosixPath PosixPath"),
    "glob": words("glob iglob escape"),
    "shutil": words("which disk_usage get_terminal_size"),
    "asyncio": words("run sleep gather wait_for"),
    "tokenize": words("tokenize generate_tokens open NAME OP STRING COMMENT TokenInfo"),
    "gzip": words("open decompress compress"),
    "argparse": words("ArgumentParser Namespace ArgumentTypeError"),
    "configparser": words("ConfigParser RawConfigParser"),
    "shlex": words("quote split join"),
}
"""Of these modules, what may be used; of others, what is no module itself."""
CLASHES = words(
    """
    datetime.datetime datetime.time time.time copy.copy pprint.pprint array.array random.random
    bisect.bisect dis.dis calendar.calendar struct.struct statistics.statistics filecmp.cmp
    locale.locale html.html operator.index math.gamma string.string
    """
)
NEVER = words(
    """
    subprocess socket ssl urllib http ftplib smtplib poplib imaplib telnetlib xmlrpc socketserver
    timeit multiprocessing threading concurrent ctypes importlib imp runpy code codeop pty tty
    pickle cPickle shelve marshal dill cloudpickle joblib tempfile signal resource mmap
    webbrowser antigravity builtins gc site sqlite3 dbm zipimport zipapp venv ensurepip pip
    setuptools distutils pdb bdb cProfile profile select selectors sched pwd grp spwd crypt
    fcntl termios syslog curses readline rlcompleter turtle tkinter idlelib getpass netrc
    requests httpx aiohttp urllib3 httplib2 pycurl websocket websockets boto3 botocore paramiko
    fabric invoke sh plumbum pexpect psutil docker kubernetes smbclient pymysql psycopg psycopg2
    asyncpg redis pymongo kafka pika celery anthropic openai google azure slack_sdk twilio stripe
    github gitlab jwt keyring cryptography scapy selenium playwright mechanize scrapy zmq grpc
    """
)
"""Names of modules, the library's and others', that reach hosts or processes: by no way."""
