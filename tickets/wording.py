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
EVACUATED: Mapping[str, str] = {
    "en": "These files are in Bilaga now; on this ticket they are removed:",
    "sv": "De här filerna finns nu i Bilaga; i ärendet tas de bort:",
    "nb": "Disse filene ligger nå i Bilaga; i saken fjernes de:",
    "da": "Disse filer ligger nu i Bilaga; i sagen fjernes de:",
    "fi": "Nämä tiedostot ovat nyt Bilagassa; tiketiltä ne poistetaan:",
    "de": "Diese Dateien liegen jetzt in Bilaga; am Ticket werden sie entfernt:",
}
ALL_FILES: Mapping[str, str] = {
    "en": "All files of this ticket",
    "sv": "Alla filer i ärendet",
    "nb": "Alle filer i saken",
    "da": "Alle filer i sagen",
    "fi": "Kaikki tämän tiketin tiedostot",
    "de": "Alle Dateien dieses Tickets",
}
INFECTED: Mapping[str, str] = {
    "en": "The malware scan found this file to be infected. It was left here; please do not open it:",
    "sv": "Skanningen efter skadlig kod fann att den här filen är smittad. Den lämnades kvar; öppna den inte:",
    "nb": "Skanningen etter skadevare fant at denne filen er infisert. Den ble liggende her; ikke åpne den:",
    "da": "Scanningen for malware fandt, at denne fil er inficeret. Den blev liggende her; åbn den ikke:",
    "fi": "Haittaohjelmatarkistus havaitsi tiedoston saastuneeksi. Se jätettiin tänne; älä avaa sitä:",
    "de": "Die Prüfung auf Schadsoftware hat diese Datei als infiziert erkannt. Sie blieb hier; bitte nicht öffnen:",
}
