"""Makes city.mmdb and asn.mmdb beside this file, for the tests of `request.cf`.

What is in them is made up, in the shape of MaxMind's GeoLite2 City and ASN. Needs the package mmdb_writer (0.2.7).
"""

import pathlib

from mmdb_writer import MMDBWriter
from netaddr import IPSet

CITY = {
    "81.2.69.0/24": {
        "continent": {"code": "EU"},
        "country": {"iso_code": "DE", "is_in_european_union": True},
        "city": {"names": {"en": "Köln"}},
        "subdivisions": [{"iso_code": "NW", "names": {"en": "North Rhine-Westphalia"}}],
        "postal": {"code": "50667"},
        "location": {"latitude": 50.9375, "longitude": 6.9603, "time_zone": "Europe/Berlin"},
    },
    "2001:db8:a::/48": {
        "continent": {"code": "NA"},
        "country": {"iso_code": "US"},
        "city": {"names": {"en": "Austin"}},
        "location": {"latitude": 30.25, "longitude": -97.75, "metro_code": 635, "time_zone": "America/Chicago"},
    },
}

ASN = {
    "81.2.69.0/24": {"autonomous_system_number": 64512, "autonomous_system_organization": "Example Net"},
}


def write(name: str, database_type: str, networks: dict) -> None:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=database_type, description="made up")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(pathlib.Path(__file__).with_name(name)))


write("city.mmdb", "GeoLite2-City", CITY)
write("asn.mmdb", "GeoLite2-ASN", ASN)
