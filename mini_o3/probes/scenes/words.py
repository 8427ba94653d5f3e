"""What is written in a scene: names and words of which any two of a list differ in two letters or more."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BRANDS = _words("""
    Beltin Berbo Besel Bilan Bimmus Binda Bindus Bremen Brerna Bretet Bridi Broney Broxi Broxus Brukin Brusso
    Bruvor Burbin Dalto Desor Didi Dilel Dinan Disey Dodor Dolo Dorbix Dorney Dralor Dralta Drekix Drivan
    Drotan Dultet Dumet Dummel Duna Durey Duxo Fasel Felor Femmel Fenus Fetey Firba Flaxan Fledix Fleno Fliken
    Fliri Flolor Florbo Flotix Flumo Fluney Fokey Fomi Fudey Fultix Fummey Furnor Fusen Fusor Fusset Fuvi
    Gekan Gerbus Gesso Gida Gimmin Gindet Godin Gomel Gova Grasey Grata Gravix Graxan Gredin Grerey Gresen
    Grilet Grisan Gritey Gromet Gromus Grono Grosi Grovin Gruxix Guka Gussin Haxet Hedel Hemmi Hendix Hokus
    Hommo Hulin Hulto Husan Kalen Kemmet Kili Kimet Kirix Klalta Klavin Klaxor Klema Klemmo Klevet Klikey
    Klinel Klinus Kliren Klitet Klixix Klomma Klosa Klosso Kluva Komix Kosus Kuket Kuley Kulor Kunel Kurin
    Larbet Laxel Lemet Levo Loka Lumey Lundor Lurbix Lurbo Luri Lurnen Mamman Maren Meka Mevix Mivor Monus
    Morban Mossus Murbel Narbix Narnen Natel Naxa Nerbet Nerbi Nernor Nesi Nolus Nosan Noxi Nulti Numa Nummet
    Nuro Pammix Paso Pekin Pevet Pidan Pimman Prakan Praven Preret Prodor Proman Promix Prutet Puvan Puvix
    Radix Raltin Randen Remel Retan Rimor Rommor Rornel Sadin Sasi Sendan Siket Siki Silten Sixan Somet Soso
    Sossey Sotel Stemmi Stesus Steti Stolti Stosa Sukan Tandi Tasix Tidel Tikan Todey Tolel Tonor Torben Tovus
    Trilan Troso Trumix Tulta Tuxus Vamet Velix Vemmey Vernel Vilti Visor Vissey Vixet Vodix Vusso Vuven Vuxey
    Walus Wando Wari Wendor Wino Wosin Woxor Wudor Wutin Zamin Zasa Zelin Zexan Zidet Ziko Zindix Zisus Zoltin
    Zorbin Zoror Zukin Zumma Zummix Zuret
""")

TOWNS = _words("""
    Alderby Alderham Alderley Ashby Ashdale Ashfield Ashham Ashmere Ashport Ashwell Ashwick Belwell Belwick
    Blackley Blackton Bramby Bramdale Bramgate Bramham Bramley Bramton Brookham Brookley Claygate Clayton
    Coldgate Coldmere Coldwell Coldwick Cordale Daldale Dalley Dalton Dalwell Dalwick Dunby Dundale Dunfield
    Dunford Dunmere Dunstead Dunwick Elmbury Elmdale Elmfield Elmport Elmwell Fairbury Fairford Fairham
    Fairley Fairmere Fairport Fairton Foxbury Foxmere Foxton Foxwell Foxwick Glenby Glenford Glengate Glenport
    Glenwell Gorby Gorgate Gorton Gorwick Hartgate Hartham Hartmere Hartwick Hazelby Hazelham Holbury Holfield
    Holmdale Holmere Holmgate Holmport Holstead Holton Holwell Holwick Ivybury Ivydale Ivyfield Ivyford
    Ivymere Ivyport Ivystead Kelgate Kelham Kelport Kirkby Kirkford Kirkgate Kirkham Langbury Langby Langford
    Langham Langley Langmere Langwell Linby Linton Marldale Marlford Marlmere Marlport Marlwick Millbury
    Millmere Morham Morport Norbury Norford Norley Normere Northley Oakdale Oakfield Oakmere Oakstead Oakton
    Oakwell Redford Redmere Redport Redstead Redwell Rushbury Rushby Rushford Rushham Rushley Rushport Rushton
    Sandbury Sanddale Sandham Sandley Sandmere Sandport Sandwell Sandwick Selbury Selstead Stanport Stanwick
    Swanby Swanham Swanmere Swanton Swanwell Tarngate Tarnmere Tarnwell Thornton Walddale Waldford Waldley
    Westport Westwell Westwick Whitgate Whitham Whitley Whitport Whitton Whitwell Whitwick Winbury Winmere
    Winwell Woodford Woodgate Woodton Woodwell Woodwick Yewbury Yewdale Yewham Yewley Yewmere Yewton
""")

PEOPLE = _words("""
    Ada Adele Agnes Aksel Albert Alma Amir Anton Arthur Astrid Beate Bella Boris Bruno Carla Casper Celia
    Clara Cosima Cyril Dagny Damian Daria Denis Dora Dylan Edgar Edith Elias Elsa Emil Enzo Erik Esther Eva
    Fabian Farid Felix Fiona Flora Frida Gaston Gideon Gloria Greta Gustav Hanna Harold Hedwig Hugo Ines
    Ingrid Irma Isak Ivan Jana Jonas Judith Kamil Karim Katja Kenji Klaus Lars Leila Leonie Levi Linus Lorenz
    Luisa Mabel Magnus Malik Marta Matteo Maxim Milo Mona Nadia Nele Nils Noemi Olga Olivia Omar Orla Oscar
    Otto Pablo Paula Petra Philip Pia Rafael Ramona Renate Robin Rosa Rufus Ruth Saskia Selma Simon Sofia Sven
    Talia Tamara Theo Tilda Tobias Ulla Ursula Vera Viktor Walter Wanda Xaver Yara Yusuf
""")

SHOPS = _words("""
    BAKERY BOOKS TAILOR PHARMACY OPTICIAN BUTCHER FLORIST GROCER BARBER JEWELLER MUSEUM HOTEL CINEMA LIBRARY
    TOYS PAINTS SHOES FABRICS CHEESE TEAROOM PIZZERIA STATIONER DENTIST ANTIQUES RECORDS CYCLES LAUNDRY
    LOCKSMITH POTTERY CANDLES SPICES HARDWARE CAMERAS CARPETS PERFUME THEATRE GALLERY WATCHES GUITARS KITCHENS
""")
NOTICES = (
    "SOLD OUT",
    "NEW",
    "HALF PRICE",
    "LAST ONES",
    "ORGANIC",
    "NO SUGAR",
    "LOCAL",
    "TRY ME",
    "FRESH",
    "2 FOR 1",
    "VEGAN",
    "IMPORTED",
    "LIMITED",
    "REDUCED",
    "TOP QUALITY",
    "HANDMADE",
    "BONUS",
    "CLEARANCE",
    "REFILL",
    "GLUTEN FREE",
)
SIGNS = (
    "NO ENTRY",
    "WET PAINT",
    "EXIT",
    "KEEP OUT",
    "MIND THE GAP",
    "PRIVATE",
    "PUSH",
    "OPEN",
    "CLOSED",
    "WAY OUT",
    "DANGER",
    "TICKETS",
    "NO FISHING",
    "QUIET",
    "BEWARE",
    "LOST DOG",
    "TO LET",
    "FOR SALE",
    "STAFF ONLY",
    "MEETING POINT",
    "PICNIC",
    "NO SWIMMING",
    "CAMPING",
    "HOT SOUP",
    "LOCKERS",
    "FREE MAPS",
    "EGGS",
    "HONEY",
    "CAR WASH",
    "SLOW",
)
MACHINES = (
    "PUMP",
    "BOILER",
    "FAN",
    "VALVE",
    "TANK",
    "MOTOR",
    "FILTER",
    "COOLER",
    "MIXER",
    "PRESS",
    "OVEN",
    "CRANE",
    "LATHE",
    "TURBINE",
    "BELT",
    "DRYER",
    "SILO",
    "HEATER",
    "CHILLER",
    "ROTOR",
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

LETTERS = "ACDEFHJKLMNPRTUVXY"  # of licence plates: none that is easily taken for a digit or for another one
