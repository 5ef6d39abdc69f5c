"""The few words that Bilaga writes on tickets of other systems, in the languages of its pages."""

from __future__ import annotations

from collections.abc import Mapping

WELCOME: Mapping[str, str] = {
    "en": "If you want to send us files, please use this link. They are kept sealed, and erased when their time is up:",
    "sv": "Vill du skicka filer till oss, använd den här länken. De förvaras förseglade och raderas när tiden är ute:",
    "nb": "Vil du sende oss filer, bruk denne lenken. De lagres forseglet og slettes når tiden er ute:",
    "da": "Vil du sende os filer, så brug dette link. De opbevares forseglet og slettes, når tiden er gået:",
    "fi": "Lähetä meille tiedostoja tällä linkillä. Ne säilytetään suljettuina ja poistetaan ajoissa:",
    "de": "Dateien senden Sie uns bitte über diesen Link. Sie werden versiegelt verwahrt und fristgerecht gelöscht:",
}
ARRIVED: Mapping[str, str] = {
    "en": "Files for this ticket have arrived in Bilaga:",
    "sv": "Filer till det här ärendet har kommit till Bilaga:",
    "nb": "Filer til denne saken har kommet til Bilaga:",
    "da": "Filer til denne sag er kommet til Bilaga:",
    "fi": "Tähän tikettiin on saapunut tiedostoja Bilagaan:",
    "de": "Zu diesem Ticket sind Dateien in Bilaga angekommen:",
}
